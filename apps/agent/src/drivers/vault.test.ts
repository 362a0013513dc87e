import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createBwrapDriver, createWall } from './bwrap.ts'
import { createDenoDriver } from './deno.ts'
import { MIB } from './driver.contract.ts'
import type { IsolationDriver } from './driver.ts'
import { createGvisorDriver } from './gvisor.ts'
import { createStages, inPath } from './stage.ts'
import { createVaults, findInFile } from './vault.ts'

const missing = process.platform !== 'linux' || process.getuid?.() !== 0 ? ' (encrypted scratch needs root on Linux)' : !inPath('xfs_io') ? ' (xfsprogs is not installed)' : !existsSync('/dev/loop-control') ? ' (there are no loop devices)' : ''
const scratch = join(tmpdir(), `lumaris-test-vault-${process.pid}`)
const stages = await createStages({ scratch: join(scratch, 'stages'), owner: `testv${process.pid}` })
const vaults = missing ? { reason: missing } : await createVaults({ dir: stages.vaultsDir })
const open = (id: string, bytes = 64 * MIB) => { if ('reason' in vaults) throw new Error(vaults.reason); return vaults.open(id, bytes) }
const mounts = (): string => readFileSync('/proc/self/mounts', 'utf8')
afterAll(async () => {
  await stages.reap()
  rmSync(scratch, { recursive: true, force: true })
  expect(mounts()).not.toContain(scratch)
  expect(spawnSync('losetup', ['-a'], { encoding: 'utf8' }).stdout).not.toContain(scratch)
})

test('swap, and a machine without the tool, are told with the one command that helps', async () => {
  const proc = mkdtempSync(join(tmpdir(), 'lumaris-proc-'))
  const swaps = (...lines: string[]): void => writeFileSync(join(proc, 'swaps'), ['Filename Type Size Used Priority', ...lines, ''].join('\n'))
  swaps('/dev/zram0 partition 1 0 -2', '/swap.img file 1 0 -2')
  const isRoot = process.platform === 'linux' && process.getuid?.() === 0
  expect(await createVaults({ dir: join(scratch, 'swapped'), proc })).toEqual(isRoot ? { reason: expect.stringContaining('/swap.img'), hint: 'swapoff -a' } : { reason: expect.stringContaining('root'), hint: 'run the agent as root' })
  swaps('/dev/zram0 partition 1 0 -2')
  if (!missing) {
    const found = await createVaults({ dir: join(scratch, 'zram'), proc })
    if ('reason' in found) throw new Error(found.reason)
    swaps('/dev/sdz2 partition 1 0 -2') // turned on later
    await expect(found.open('att_late', MIB)).rejects.toThrow('no encrypted scratch while there is swap (/dev/sdz2)')
  }
  rmSync(proc, { recursive: true })
})
test.skipIf(missing)(`a tool that says it encrypts, and does not, is found out by the canary${missing}`, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-liar-')), liar = join(dir, 'xfs_io')
  writeFileSync(liar, `#!/bin/sh\ncase "$*" in *add_enckey*) cat > /dev/null; echo 'Added encryption key with identifier 00000000000000000000000000000000';; *set_enc*) printf 'Policy version: 2\\nidentifier: 00000000000000000000000000000000\\nAES-256-XTS\\n';; *) echo Removed;; esac\n`)
  chmodSync(liar, 0o755)
  expect(await createVaults({ dir: join(scratch, 'liar'), xfsIo: liar })).toMatchObject({ reason: expect.stringContaining('what was written into an encrypted directory was found on the disk (fscrypt)') })
  writeFileSync(liar, '#!/bin/sh\ncat > /dev/null\necho "add_enckey: Operation not supported" >&2\nexit 1\n')
  expect(await createVaults({ dir: join(scratch, 'liar'), xfsIo: liar })).toMatchObject({ reason: expect.stringContaining('no encrypted scratch could be made: add_enckey: Operation not supported'), hint: expect.stringContaining('CONFIG_FS_ENCRYPTION') })
  rmSync(dir, { recursive: true })
  expect(mounts()).not.toContain('liar')
})

describe.skipIf(missing)(`a vault${missing}`, () => {
  test('is offered here', () => expect(vaults).toHaveProperty('open'))
  test('its image holds nothing of what was written: not while it is open, not afterwards; the same bytes in clear are found', async () => {
    const vault = await open('att_raw'), mount = dirname(vault.dir), image = `${mount}.img`
    writeFileSync(join(vault.dir, 'a-secret-name'), 'a-secret-word\n'.repeat(10_000))
    writeFileSync(join(mount, 'beside'), 'a-word-in-clear\n'.repeat(10_000))
    spawnSync('sync', ['-f', mount])
    expect([...await findInFile(image, ['a-secret-word', 'a-secret-name', 'a-word-in-clear'])]).toEqual(['a-word-in-clear'])
    // The image outlives its vault, as for somebody who pulled the plug: without the key there are no names and no contents.
    const copy = join(scratch, 'stolen.img'), place = join(scratch, 'stolen')
    spawnSync('cp', ['--sparse=always', image, copy])
    await vault.close()
    expect(existsSync(image)).toBe(false)
    mkdirSync(place)
    expect(spawnSync('mount', ['-o', 'loop', copy, place]).status).toBe(0)
    onTestFinished(() => { spawnSync('umount', [place]) })
    const names = readdirSync(join(place, 'v'))
    expect(names).toHaveLength(1)
    expect(names).not.toContain('a-secret-name')
    expect(() => readFileSync(join(place, 'v', names[0] ?? ''))).toThrow(/ENOKEY|error -126\b/)
    expect(readFileSync(join(place, 'beside'), 'utf8')).toContain('a-word-in-clear')
    expect([...await findInFile(copy, ['a-secret-word', 'a-secret-name', 'a-word-in-clear'])]).toEqual(['a-word-in-clear'])
  })
  test('each has a key of its own', async () => {
    const both = await Promise.all([open('att_one'), open('att_two')])
    const keys = both.map(({ dir }) => /identifier: ([0-9a-f]{32})/.exec(spawnSync('xfs_io', ['-r', '-c', 'get_encpolicy', dir], { encoding: 'utf8' }).stdout)?.[1])
    expect(new Set(keys).size).toBe(2)
    // The key of one does not open the other.
    expect(spawnSync('xfs_io', ['-r', '-c', `rm_enckey ${keys[0]}`, both[1]?.dir ?? ''], { encoding: 'utf8' }).stderr).not.toBe('')
    await Promise.all(both.map((one) => one.close()))
  })
  test('a file that is still open when it ends is waited for, and a vault that stays busy says so and is gone all the same', { timeout: 300_000 }, async () => {
    const vault = await open('att_busy'), mount = dirname(vault.dir)
    writeFileSync(join(vault.dir, 'held'), 'x')
    const holder = spawn('sleep', ['60'], { cwd: vault.dir })
    await once(holder, 'spawn')
    await expect(vault.close()).rejects.toThrow('still open')
    expect(mounts()).not.toContain(mount)
    holder.kill('SIGKILL')
    await once(holder, 'exit')
  })
  test('the guard takes the key and the mount away when whoever opened it is killed', { timeout: 300_000 }, async () => {
    const dir = join(scratch, 'killed'), from = new URL('./vault.ts', import.meta.url).href
    const child = spawn(process.execPath, ['--input-type=module', '-e', `const v = await (await import(${JSON.stringify(from)})).createVaults({ dir: ${JSON.stringify(dir)} }); const one = await v.open('att_k', 1 << 26); (await import('node:fs')).writeFileSync(one.dir + '/left', 'a-word-of-the-dead\\n'.repeat(1000)); console.log('up'); setInterval(() => {}, 1000)`], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    expect(mounts()).toContain(dir)
    child.kill('SIGKILL')
    await once(child, 'exit')
    await expect.poll(mounts).not.toContain(dir)
    await expect.poll(() => readdirSync(dir).filter((name) => name.endsWith('.img'))).toEqual([])
  })

  test('and deno inside bubblewrap: what a program writes, and what Deno makes of its source, stays in it or in memory', { timeout: 300_000 }, async (context) => {
    const behind = createWall({ scratch: join(scratch, 'denowall'), stages }), deno = behind && createDenoDriver({ scratch: join(scratch, 'deno'), stages, wall: behind })
    if (!deno) return context.skip('deno or bubblewrap is not installed')
    const vault = await open('att_deno'), workDir = join(vault.dir, 'files')
    mkdirSync(workDir, { mode: 0o700 })
    writeFileSync(join(workDir, 'main.ts'), `import { writeFileSync } from 'node:fs'\nconst word: string = 'deno-source-word'\nwriteFileSync('made.txt', ('deno-made-' + 'word').repeat(9000))\nconsole.log('up', word.length)\nsetInterval(() => {}, 1e6)\n`)
    const sandbox = await deno.start({ attemptId: 'att_deno', runtime: 'javascript', command: ['main.ts'], env: { HIDDEN: 'deno-env-word' }, workDir, vault: vault.dir, limits: { cpuMillis: 1000, memoryBytes: 256 * MIB, pids: 32, diskBytes: 8 * MIB, outputBytes: 10_000, wallMs: 30_000, openFiles: 64 } })
    sandbox.stderr.resume()
    await once(sandbox.stdout, 'data')
    sandbox.stdout.resume()
    spawnSync('sync')
    const words = ['deno-source-word', 'deno-made-word', 'deno-env-word']
    for (const file of filesBelow(scratch).filter((path) => !path.startsWith(`${dirname(vault.dir)}/`) && !path.startsWith(`${dirname(vault.dir)}.job`))) expect([...await findInFile(file, words)], file).toEqual([])
    await sandbox.kill('enough')
    expect(readFileSync(join(workDir, 'made.txt'), 'utf8')).toContain('deno-made-word')
    await vault.close()
  })

  const wall = createWall({ scratch: join(scratch, 'wall'), stages })
  const drivers: [string, () => Promise<IsolationDriver | null>][] = [['bwrap', async () => wall && createBwrapDriver(wall)], ['gvisor', () => createGvisorDriver({ scratch: join(scratch, 'gvisor'), stages })]]
  for (const [name, make] of drivers) describe(`and ${name}`, () => {
    const start = async (driver: IsolationDriver, id: string, script: string, env: Record<string, string> = {}) => {
      const vault = await open(id), workDir = join(vault.dir, 'files')
      mkdirSync(workDir, { mode: 0o700 })
      writeFileSync(join(workDir, 'input'), `input-of-${id}\n`.repeat(1000))
      const sandbox = await driver.start({ attemptId: id, runtime: 'native', command: ['/bin/sh', '-c', script], env, workDir, vault: vault.dir, limits: { cpuMillis: 1000, memoryBytes: 256 * MIB, pids: 32, diskBytes: 8 * MIB, outputBytes: 10_000, wallMs: 30_000, openFiles: 64 } })
      let out = ''
      sandbox.stdout.setEncoding('utf8').on('data', (text: string) => { out += text })
      sandbox.stderr.resume()
      return { vault, workDir, sandbox, said: () => out }
    }
    test('nothing of a job lies in clear anywhere in the scratch directories while it runs, nor in what is left', { timeout: 300_000 }, async (context) => {
      const driver = await make()
      if (!driver) return context.skip(`${name} is not installed`)
      const word = `secret-${name}-word`
      const { vault, workDir, sandbox, said } = await start(driver, `att_${name}`, `yes '${word}-made' | head -n 5000 > made; mkdir '${word}-dir'; echo up; exec sleep 60`, { HIDDEN: `${word}-env` })
      await expect.poll(said, { timeout: 60_000 }).toContain('up')
      spawnSync('sync')
      const image = `${dirname(vault.dir)}.img`
      const words = [`input-of-att_${name}`, `${word}-made`, `${word}-dir`, `${word}-env`, word]
      expect([...await findInFile(image, words)]).toEqual([])
      // Outside of the vault, as the machine's own disk shows it: every plain file there is.
      for (const file of filesBelow(scratch).filter((path) => !path.startsWith(dirname(vault.dir)))) expect([...await findInFile(file, words)], file).toEqual([])
      await sandbox.kill('enough')
      expect(readFileSync(join(workDir, 'made'), 'utf8')).toContain(`${word}-made`) // it was there, and came home into the vault
      await vault.close()
      for (const file of filesBelow(scratch)) expect([...await findInFile(file, words)], file).toEqual([])
    })
    test('a job reaches neither devices, nor images, nor the key, nor the files of another', { timeout: 300_000 }, async (context) => {
      const driver = await make()
      if (!driver) return context.skip(`${name} is not installed`)
      const victim = await start(driver, 'att_victim', 'echo up; sleep 20')
      await expect.poll(victim.said, { timeout: 60_000 }).toContain('up')
      const image = `${dirname(victim.vault.dir)}.img`
      const thief = await start(driver, 'att_thief', `for f in /dev/loop* /dev/mapper/* /dev/dm-* /dev/vd* /dev/sd* /dev/mem /dev/kmem /proc/kcore '${image}' '${victim.workDir}/input' '${dirname(victim.vault.dir)}.job/input'; do head -c 16 "$f" 2>/dev/null && echo "READ $f"; done; ls '${stages.vaultsDir}' '${dirname(victim.vault.dir)}' /dev/mapper 2>/dev/null | sed 's/^/SEEN /'; mknod disk b 7 0 2>/dev/null && echo MADE; cat /proc/keys 2>/dev/null | grep -i fscrypt | sed 's/^/KEY /'; echo done`)
      await thief.sandbox.exit
      expect(thief.said()).toBe('done\n')
      await victim.sandbox.kill('enough')
      await Promise.all([victim, thief].map((one) => one.vault.close()))
    })
  })
})

function filesBelow(dir: string): string[] {
  if (!existsSync(dir)) return []
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => { const path = join(dir, entry.name); return entry.isDirectory() ? filesBelow(path) : entry.isFile() ? [path] : [] })
}
