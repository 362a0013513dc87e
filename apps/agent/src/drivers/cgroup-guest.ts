// What the agent's control groups do to real programs, told as facts: the program of cgroup-guest.test.ts, which runs it inside of a machine whose kernel has
// version 2 only. With the argument `delegated` as a user who was given one group, as systemd does it. It judges nothing.
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createCgroups } from './cgroup.ts'
import type { Cgroup, Cgroups } from './cgroup.ts'

const MIB = 1024 * 1024, ROOT = '/sys/fs/cgroup', NOBODY = 65_534, OWNER = 1000
const LIMITS = { memoryBytes: 64 * MIB, pids: 16, cpuMillis: 1000 }
const say = (name: string, facts: object): void => { process.stdout.write(`@@${JSON.stringify({ name, ...facts })}\n`) }
const isDelegated = process.argv[2] === 'delegated'
const groups = createCgroups('guest') as Cgroups

/** Joins as a stage does it, then becomes the program; as root it gives its rights away in between. */
function inside(group: Cgroup, argv: readonly string[]): ChildProcess & { said(): string } {
  const drop = process.getuid?.() === 0 ? ['setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'] : []
  const child = spawn('/bin/sh', ['-c', `${group.joinFiles.map((file) => `echo $$ > '${file}'`).join(' && ')} && exec "$@"`, 'sh', ...drop, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => { said += String(chunk) })
  return Object.assign(child, { said: () => said })
}
const python = (source: string): string[] => ['/usr/bin/python3', '-S', '-c', source]
const ended = async (child: ChildProcess): Promise<{ code: number | null; signal: string | null }> => { if (child.exitCode === null && child.signalCode === null) await once(child, 'close'); return { code: child.exitCode, signal: child.signalCode } }
const spoken = async (child: ReturnType<typeof inside>, word: string): Promise<void> => { while (!child.said().includes(word)) await once(child.stdout as NodeJS.ReadableStream, 'data') }
const emptied = async (group: Cgroup): Promise<boolean> => { for (let i = 0; i < 400 && !group.isEmpty(); i++) await delay(10); return group.isEmpty() }
const gone = (group: Cgroup): boolean => !existsSync(dirname(group.joinFiles[0] as string))
const SPIN = ['/bin/sh', '-c', 'echo up; while :; do :; done']

async function limits(): Promise<void> {
  // Made with other limits than they have when something runs in them, as what stands ready for a job is.
  const hungry = groups.create('memory', { memoryBytes: 512 * MIB, pids: 64, cpuMillis: 100 })
  hungry.set(LIMITS)
  const hog = inside(hungry, python("b = []\nfor i in range(256): b.append(bytearray(b'x' * 1048576))\nprint('all')"))
  say('memory', { ...await ended(hog), said: hog.said().trim(), starved: hungry.ranOutOfMemory(), peakMib: hungry.memoryPeakBytes() / MIB, empty: await emptied(hungry) })
  await hungry.remove()

  const content = groups.create('content', { memoryBytes: 4 * MIB, pids: 1, cpuMillis: 100 })
  content.set(LIMITS)
  const modest = inside(content, python("b = bytearray(b'x' * 16777216)\nprint('all')"))
  say('content', { ...await ended(modest), said: modest.said().trim(), starved: content.ranOutOfMemory(), peakMib: content.memoryPeakBytes() / MIB })
  await content.remove()

  const many = groups.create('pids', LIMITS)
  const bomb = inside(many, python('import os, time\nmade = 0\ntry:\n  while made < 100:\n    if os.fork() == 0: time.sleep(60); os._exit(0)\n    made += 1\nexcept OSError as error: print(made, error.errno, flush=True)\nos._exit(0)'))
  await spoken(bomb, '\n') // its children go on; they are among what reap() finds below
  say('pids', { said: bomb.said().trim() })
}

async function processes(): Promise<void> {
  const many = groups.create('bomb', LIMITS)
  const bomb = inside(many, ['/bin/sh', '-c', 'f() { f | f & }; echo up; f; sleep 60'])
  await spoken(bomb, 'up')
  await delay(500) // the time in which it breeds
  const alive = readFileSync(join(dirname(many.joinFiles[0] as string), 'pids.current'), 'utf8').trim()
  many.killAll()
  say('bomb', { alive: Number(alive), empty: await emptied(many) })
  await many.remove()

  const slow = groups.create('cpu', { ...LIMITS, cpuMillis: 300 })
  const burners = [inside(slow, SPIN), inside(slow, SPIN)]
  await Promise.all(burners.map((one) => spoken(one, 'up')))
  const before = slow.cpuMs(), from = performance.now()
  await delay(3_000) // the time that is measured
  say('cpu', { share: (slow.cpuMs() - before) / (performance.now() - from) })

  await slow.freeze(true)
  const frozen = slow.cpuMs()
  await delay(700) // as above: nothing happens in it
  const still = slow.cpuMs() - frozen
  await slow.freeze(false)
  for (let i = 0; i < 400 && slow.cpuMs() - frozen < 50; i++) await delay(10)
  say('freeze', { whileFrozenMs: still, goesOn: slow.cpuMs() - frozen >= 50, empty: slow.isEmpty() })

  await slow.freeze(true)
  slow.killAll()
  say('kill', { signals: (await Promise.all(burners.map(ended))).map((one) => one.signal), empty: await emptied(slow) })
  await slow.remove()
  say('removed', { gone: gone(slow) })

  const fled = groups.create('fled', LIMITS)
  const parent = inside(fled, ['/bin/sh', '-c', 'setsid sleep 600 > /dev/null 2>&1 < /dev/null & echo up'])
  await ended(parent)
  const left = !fled.isEmpty()
  fled.killAll()
  say('fled', { left, empty: await emptied(fled) })
  await fled.remove()

  // What a job does to its own limits, as the user it is.
  const rebel = groups.create('rebel', LIMITS), dir = dirname(rebel.joinFiles[0] as string)
  const tries = [[join(dir, 'memory.max'), 'max'], [join(dir, 'pids.max'), 'max'], [join(dir, 'cpu.max'), 'max'], [join(ROOT, 'cgroup.procs'), '0'], [join(dirname(dir), 'cgroup.procs'), '0'], [join(dir, 'cgroup.subtree_control'), '-memory']]
  if (!isDelegated) {
    const job = inside(rebel, python(`import json, os\ndone = []\nfor path, value in json.loads(${JSON.stringify(JSON.stringify(tries))}):\n  try:\n    with open(path, 'w') as file: file.write(value)\n    done.append(path)\n  except OSError: pass\ntry: os.mkdir(${JSON.stringify(join(dir, 'own'))}); done.append('own')\nexcept OSError: pass\nprint(json.dumps(done), open('/proc/self/cgroup').read().strip())`))
    await ended(job)
    say('rebel', { said: job.said().trim() })
  }
  await rebel.remove()

  const stays = groups.create('left', LIMITS), sleeper = inside(stays, ['/bin/sh', '-c', 'echo in; exec sleep 600'])
  await spoken(sleeper, 'in')
  await stays.freeze(true)
  const end = ended(sleeper), reaped = await groups.reap()
  say('reap', { reaped, ...await end, gone: gone(stays), again: await groups.reap() })
}

/** The group of a service with Delegate=yes, and this program once more in it, as its user. */
function delegated(): void {
  const own = join(ROOT, 'service')
  mkdirSync(own)
  for (const path of [own, join(own, 'cgroup.procs'), join(own, 'cgroup.subtree_control')]) chownSync(path, OWNER, OWNER)
  writeFileSync(join(ROOT, 'cgroup.subtree_control'), '+memory +pids +cpu')
  const out = execFileSync('/bin/sh', ['-c', `echo $$ > ${own}/cgroup.procs && exec setpriv --reuid=${OWNER} --regid=${OWNER} --clear-groups "$@"`, 'sh', process.execPath, process.argv[1] as string, 'delegated'], { encoding: 'utf8' })
  for (const line of out.split('\n')) if (line.startsWith('@@')) { const { name, ...facts } = JSON.parse(line.slice(2)) as { name: string }; say(`delegated ${name}`, facts) }
}

say('version', { version: groups.version, base: readFileSync('/proc/self/cgroup', 'utf8').trim() })
await limits()
await processes()
if (!isDelegated) delegated()
process.exit(0)
