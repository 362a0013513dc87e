// What becomes of an encrypted job's words on a kernel with a device mapper and without the tool for file encryption, told as facts: the program of vault-guest.test.ts, inside of a
// machine. With the argument `agent` it is what holds a vault and a job behind bubblewrap in it, and is killed. It judges nothing.
import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createBwrapDriver, createWall } from './bwrap.ts'
import { createStages } from './stage.ts'
import { createVaults, findInFile } from './vault.ts'

const MIB = 1024 * 1024, SCRATCH = '/mnt/agent', CALLS = '/tmp/calls'
const say = (name: string, facts: object): void => { process.stdout.write(`@@${JSON.stringify({ name, ...facts })}\n`) }
const words = (name: string): Record<'input' | 'made' | 'file' | 'argument' | 'variable', string> => ({ input: `${name}-in-an-input`, made: `${name}-in-a-result`, file: `${name}-as-a-name`, argument: `${name}-in-an-argument`, variable: `${name}-in-a-variable` })
const tool = (path: string, lines: string): string => { writeFileSync(path, `#!/bin/sh\n${lines}\n`); chmodSync(path, 0o755); return path }
const stagesHere = (): ReturnType<typeof createStages> => createStages({ scratch: SCRATCH, owner: 'guest' })

async function agent(name: string, encrypted: boolean): Promise<void> {
  const stages = await stagesHere(), vaults = await createVaults({ dir: stages.vaultsDir, cryptsetup: '/tmp/cryptsetup' }), wall = createWall({ scratch: join(SCRATCH, 'wall'), stages })
  if ('reason' in vaults || !wall) throw new Error('reason' in vaults ? vaults.reason : 'there is no bubblewrap')
  const vault = encrypted ? await vaults.open(`att_${name}`, 64 * MIB) : null, workDir = vault ? join(vault.dir, 'files') : join(SCRATCH, `files-${name}`), of = words(name), half = of.made.length / 2
  mkdirSync(workDir, { mode: 0o700 })
  writeFileSync(join(workDir, 'input'), `${of.input}\n`.repeat(3000))
  // In halves where a word must come from a file and not from the command.
  const script = `n=${of.made.slice(0, half)}; yes "\${n}${of.made.slice(half)}" | head -n 3000 > made; touch ${of.file}; echo up; exec sleep 600`
  const sandbox = await createBwrapDriver(wall).start({ attemptId: `att_${name}`, runtime: 'native', command: ['/bin/sh', '-c', script, of.argument], env: { WORD: of.variable }, workDir, ...(vault ? { vault: vault.dir } : {}), limits: { cpuMillis: 1000, memoryBytes: 128 * MIB, pids: 32, diskBytes: 8 * MIB, outputBytes: 10_000, wallMs: 600_000, openFiles: 64 } })
  sandbox.stderr.pipe(process.stderr)
  await once(sandbox.stdout, 'data')
  sandbox.stdout.resume()
  process.stdout.write('up\n')
  await once(process.stdin, 'data')
  await sandbox.kill('enough')
  process.stdout.write(`home ${readFileSync(join(workDir, 'made'), 'utf8').includes(of.made)}\n`)
  await vault?.close()
  process.exit(0)
}

type Agent = { readonly child: ChildProcess; said(word: string): Promise<void>; out(): string }
async function begun(name: string, encrypted = true): Promise<Agent> {
  const child = spawn(process.execPath, [process.argv[1] as string, 'agent', name, String(encrypted)], { stdio: ['pipe', 'pipe', 'inherit'] })
  let out = '', over = false
  child.stdout.on('data', (chunk) => { out += String(chunk) })
  child.once('exit', () => { over = true })
  const one: Agent = { child, out: () => out, async said(word) { while (!out.includes(word) && !over) await delay(20) } }
  await one.said('up\n')
  return one
}
const maps = (): string[] => readdirSync('/sys/block').filter((name) => name.startsWith('dm-')).map((name) => { try { return readFileSync(`/sys/block/${name}/dm/name`, 'utf8').trim() } catch { return '' /* gone */ } }).filter((name) => name !== '')
const mounts = (): string[] => readFileSync('/proc/self/mounts', 'utf8').split('\n').map((line) => line.split(' ')[1] ?? '').filter((path) => path.startsWith(SCRATCH))
const until = async (what: () => boolean): Promise<boolean> => { for (let i = 0; i < 600 && !what(); i++) await delay(50); return what() }
const shows = (file: string): string => { try { return readFileSync(file, 'latin1') } catch { return '' /* gone, or a kernel's */ } }
const processes = (): string[] => readdirSync('/proc').filter((name) => /^\d+$/.test(name))
/** All that lies on the raw disk now; nothing of it from memory. */
async function search(name: string): Promise<string[]> {
  spawnSync('sync')
  writeFileSync('/proc/sys/vm/drop_caches', '3')
  return [...await findInFile('/dev/vdc', Object.values(words(name)))].sort()
}
const left = (): object => ({ mappings: maps().length, mounts: mounts().length, images: existsSync(`${SCRATCH}/vaults`) ? readdirSync(`${SCRATCH}/vaults`).filter((name) => name.endsWith('.img')).length : 0, loops: readdirSync('/sys/block').filter((name) => existsSync(`/sys/block/${name}/loop`)).length })

async function judge(): Promise<void> {
  tool('/tmp/cryptsetup', `{ echo "call: $*"; env; } >> ${CALLS}; exec /usr/sbin/cryptsetup "$@"`)
  const stages = await stagesHere(), vaults = await createVaults({ dir: stages.vaultsDir })
  say('offered', 'reason' in vaults ? vaults : { by: vaults.by })
  if ('reason' in vaults) return
  const liar = tool('/tmp/liar', 'cat > /dev/null; while [ $# -gt 2 ]; do shift; done; loop=$(losetup -f --show "$1") && dmsetup create "$2" --table "0 $(blockdev --getsz $loop) linear $loop 0" && dmsetup mknodes && losetup -d $loop')
  say('liar', { ...await createVaults({ dir: '/mnt/liar', cryptsetup: liar }), ...left() })
  say('refused', { ...await createVaults({ dir: '/mnt/refused', cryptsetup: tool('/tmp/none', 'cat > /dev/null; echo "Cannot initialize device-mapper. Is dm_mod kernel module loaded?" >&2; exit 1') }), ...left() })

  const one = await begun('first'), [name = ''] = maps()
  const key = /crypt aes-xts-plain64 ([0-9a-f]+)/.exec(spawnSync('dmsetup', ['table', '--showkeys', name], { encoding: 'utf8' }).stdout)?.[1] ?? ''
  const found = await search('first')
  say('running', { found, mapping: name, keyBits: key.length * 4, calls: (shows(CALLS).match(/^call: open/gm) ?? []).length, keyIn: [CALLS, ...processes().flatMap((pid) => [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`])].filter((file) => shows(file).includes(key)), keyOnDisk: (await findInFile('/dev/vdc', [key])).size })
  one.child.stdin?.write('end\n')
  await once(one.child, 'exit')
  say('ended', { home: one.out().includes('home true'), found: await search('first'), ...left() })

  const killed = await begun('second')
  say('before', { found: await search('second'), mappings: maps().length })
  killed.child.kill('SIGKILL')
  await until(() => maps().length === 0 && mounts().length === 0)
  say('killed', { jobs: processes().filter((pid) => shows(`/proc/${pid}/cmdline`).includes('sleep\x00600')).length, found: await search('second'), ...left() })

  const both = await begun('third')
  for (const pid of processes()) if (shows(`/proc/${pid}/cmdline`).includes('backing_file') && pid !== String(process.pid)) process.kill(Number(pid), 'SIGKILL')
  both.child.kill('SIGKILL')
  await until(() => processes().every((pid) => !shows(`/proc/${pid}/cmdline`).includes('sleep\x00600')))
  const stays = maps().length
  await (await stagesHere()).reap()
  say('swept', { stays, found: await search('third'), ...left() })

  const vault = await vaults.open('att_held', 16 * MIB), [mapping = ''] = maps()
  writeFileSync(join(vault.dir, 'held'), 'x')
  const holder = spawn('sleep', ['900'], { cwd: vault.dir })
  await once(holder, 'spawn')
  const closed = await vault.close().then(() => 'closed', (error: Error) => error.message), table = spawnSync('dmsetup', ['table', '--showkeys', mapping], { encoding: 'utf8' }).stdout
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  await until(() => maps().length === 0)
  say('held', { closed, table, gone: !existsSync(dirname(vault.dir)), ...left() })

  const plain = await begun('plain', false)
  say('plain', { found: await search('plain') })
  plain.child.stdin?.write('end\n')
  await once(plain.child, 'exit')
  say('after', { found: await search('plain'), ...left() })
}

const [, , mode, name = '', encrypted] = process.argv
await (mode === 'agent' ? agent(name, encrypted === 'true') : judge())
process.exit(0)
