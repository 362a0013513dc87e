// What is measured: each driver as the agent runs it, and the tool it stands on, started by hand with the fewest words that run the same program behind
// the same kind of wall: no control group, no disk of its own, no user id of its own, no files brought home. The difference is what our promises cost.
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Runtime } from '@lumaris/protocol'
import { createBwrapDriver, createWall } from '../../apps/agent/src/drivers/bwrap.ts'
import type { Wall } from '../../apps/agent/src/drivers/bwrap.ts'
import type { Cgroups } from '../../apps/agent/src/drivers/cgroup.ts'
import { createDenoDriver, findDeno } from '../../apps/agent/src/drivers/deno.ts'
import type { IsolationDriver } from '../../apps/agent/src/drivers/driver.ts'
import { createGvisorDriver } from '../../apps/agent/src/drivers/gvisor.ts'
import { createQemuDriver } from '../../apps/agent/src/drivers/qemu.ts'
import { createStages, inPath } from '../../apps/agent/src/drivers/stage.ts'

const MIB = 1024 * 1024
/** Nothing is near a limit: what is measured is the walls, not what they keep. */
const LIMITS = { cpuMillis: 64_000, memoryBytes: 1024 * MIB, pids: 128, diskBytes: 64 * MIB, outputBytes: MIB, wallMs: 120_000, openFiles: 1024 }
export type Program = { readonly runtime: Runtime; readonly command: readonly string[]; readonly files?: Readonly<Record<string, string>> }
export type Running = { readonly stdout: Readable; memoryBytes(): Promise<number>; stop(): Promise<void>; readonly end: Promise<{ ok: boolean; says: string }> }
export type Subject = { readonly name: string; readonly version: string; start(program: Program): Promise<Running>; /** Of a tool by hand: in a control group, to see what it takes. */ startCounted?(program: Program): Promise<Running> }
/** A driver and the tool below it; which languages both speak. */
export type Pair = { readonly driver: Subject; readonly tool: Subject | null; readonly speaks: readonly ('sh' | 'python' | 'javascript')[] }

const versionOf = (program: string, ...args: string[]): Promise<string> => new Promise((resolve) => { const child = spawn(program, args); let out = ''; child.stdout.on('data', (chunk) => { out += String(chunk) }); child.on('close', () => resolve(/\d[\d.~]*/.exec(out)?.[0] ?? 'unknown')) })

/** With `fresh` every job has a disk of another size, as nobody before it. */
function asSubject(name: string, version: string, driver: IsolationDriver, fresh = false): Subject {
  let count = 0
  return {
    name, version,
    async start(program) {
      const workDir = mkdtempSync(join(tmpdir(), 'lumaris-bench-job-'))
      for (const [path, text] of Object.entries(program.files ?? {})) writeFileSync(join(workDir, path), text)
      const sandbox = await driver.start({ attemptId: 'att_bench', runtime: program.runtime, command: program.command, env: {}, workDir, limits: fresh ? { ...LIMITS, diskBytes: LIMITS.diskBytes + count++ * MIB } : LIMITS })
      let says = ''
      sandbox.stderr.on('data', (chunk) => { says = (says + String(chunk)).slice(-500) })
      const end = sandbox.exit.then(({ cause, code, detail }) => { rmSync(workDir, { recursive: true, force: true }); return { ok: cause === 'exit' && code === 0, says: detail ?? says } })
      return { stdout: sandbox.stdout, memoryBytes: async () => (await sandbox.stats()).memoryBytes, stop: () => sandbox.kill('measured'), end }
    },
  }
}

type ByHand = { name: string; version: string; dir: string; cgroups: Cgroups | null; argv: (program: Program, workDir: string) => { argv: readonly string[]; cleanUp?: () => void } }
function byHand({ name, version, dir, cgroups, argv }: ByHand): Subject {
  let made = 0
  const start = async (program: Program, counted: boolean): Promise<Running> => {
    const workDir = mkdtempSync(join(dir, 'work-'))
    for (const [path, text] of Object.entries(program.files ?? {})) writeFileSync(join(workDir, path), text)
    const group = counted ? (cgroups?.create(`hand-${made++}`, { memoryBytes: 4096 * MIB, pids: 4096, cpuMillis: 64_000 }) ?? null) : null
    const { argv: words, cleanUp } = argv(program, workDir)
    const all = group ? ['/bin/sh', '-c', `${group.joinFiles.map((file) => `echo $$ > '${file}'`).join(' && ')} && exec "$@"`, 'sh', ...words] : words
    const child = spawn(all[0] as string, all.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/' })
    let says = ''
    child.stderr.on('data', (chunk) => { says = (says + String(chunk)).slice(-500) })
    const end = new Promise<{ ok: boolean; says: string }>((resolve) => { child.on('error', (error) => resolve({ ok: false, says: error.message })); child.on('close', (code) => resolve({ ok: code === 0, says })) })
      .then(async (ended) => { cleanUp?.(); group?.killAll(); await group?.remove(); rmSync(workDir, { recursive: true, force: true }); return ended })
    return { stdout: child.stdout, memoryBytes: async () => group?.memoryBytes() ?? Number.NaN, async stop() { child.kill('SIGKILL'); await end }, end }
  }
  return { name, version, start: (program) => start(program, false), startCounted: (program) => start(program, true) }
}

/** Room for what drivers keep ready. */
const READY_BYTES = 2048 * MIB
export type Subjects = { readonly native: Subject; readonly plainDeno: Subject | null; readonly pairs: readonly Pair[]; readonly missing: readonly string[]; /** What drivers keep ready stands ready. */ settled: () => Promise<void>; close: () => Promise<void> }

/** `wants`: names of drivers that are asked for; the others are not tried. */
export async function createSubjects(wants: (name: string) => boolean = () => true): Promise<Subjects> {
  const scratch = mkdtempSync(join(tmpdir(), 'lumaris-bench-isolation-'))
  const owner = `bench${process.pid}`
  const dir = join(scratch, 'hand')
  for (const path of [scratch, dir]) mkdirSync(path, { recursive: true, mode: 0o755 })
  chmodSync(scratch, 0o755)
  const stages = await createStages({ scratch: join(scratch, 'stages'), owner })
  const cgroups = stages.cgroups
  // Where nothing ever stands ready.
  const coldStages = await createStages({ scratch: join(scratch, 'cold-stages'), owner: `${owner}c` })
  const ways = [['', stages], [' first', stages], [' cold', coldStages]] as const
  const walls = new Map(ways.map(([way, on]) => [way, createWall({ scratch: join(scratch, `wall${way}`.replaceAll(/\W+/g, '-')), stages: on })]))
  const scratchOf = (name: string): string => join(scratch, name.replaceAll(/\W+/g, '-'))
  const programs = existsSync('/usr/bin/python3') ? ['sh', 'python'] as const : ['sh'] as const
  const missing: string[] = [], pairs: Pair[] = []
  const native = byHand({ name: 'no wall at all', version: process.version, dir, cgroups, argv: (program) => ({ argv: program.command }) })

  const bwrap = inPath('bwrap')
  if (bwrap && walls.get('')) {
    const version = await versionOf(bwrap, '--version')
    const tool = byHand({ name: 'bwrap by hand', version, dir, cgroups, argv: (program, workDir) => ({ argv: [bwrap, '--unshare-all', '--die-with-parent', ...systemBinds(), '--proc', '/proc', '--dev', '/dev', '--tmpfs', '/tmp', '--bind', workDir, '/work', '--chdir', '/work', ...program.command] }) })
    for (const [way] of ways) {
      if (!wants(`bwrap${way}`)) continue
      const driver = createBwrapDriver(walls.get(way) as Wall), usable = await driver.probe()
      if (usable.usable) pairs.push({ speaks: programs, driver: asSubject(`bwrap${way}`, version, driver, way === ' first'), tool })
      else missing.push(`bwrap${way}: ${usable.reason}`)
    }
  } else missing.push('bwrap: bubblewrap is not installed')

  let hand: Subject | null = null
  for (const [way, on] of ways) {
    if (!wants(`gvisor${way}`)) continue
    const gvisor = await createGvisorDriver({ scratch: scratchOf(`gvisor${way}`), stages: on }), usable = await gvisor?.probe()
    if (!gvisor || !usable?.usable) { missing.push(`gvisor${way}: ${usable?.reason ?? 'runsc is not installed'}`); continue }
    const runsc = inPath('runsc') as string, [, version = '', platform = ''] = /^(\d+), platform (\w+)$/.exec(usable.evidence['runsc'] ?? '') ?? []
    let made = 0
    hand ??= byHand({ name: 'runsc by hand', version: `${version}, ${platform}`, dir, cgroups, argv(program, workDir) {
      const bundle = writeBundle(dir, program, workDir)
      return { argv: [runsc, '--ignore-cgroups', '--network=none', `--platform=${platform}`, `--root=${join(dir, 'state')}`, 'run', `--bundle=${bundle}`, `hand-${process.pid}-${made++}`], cleanUp: () => rmSync(bundle, { recursive: true, force: true }) }
    } })
    pairs.push({ speaks: programs, driver: asSubject(`gvisor${way}`, `${version}, ${platform}`, gvisor, way === ' first'), tool: hand })
  }

  // No tool by hand stands beside it: a machine that is started for a program takes seconds, and what is measured here is the waking of one that was started before.
  const machines = await createQemuDriver({ scratch: join(scratch, 'qemu'), stages, images: process.env['LUMARIS_IMAGES'] ?? join(import.meta.dirname, '..', '..', '.lumaris', 'images') })
  if ('reason' in machines) missing.push(`qemu: ${machines.reason} (${machines.hint})`)
  else if (wants('qemu')) {
    const report = await machines.probe()
    if (report.usable) pairs.push({ speaks: programs, driver: asSubject('qemu', report.evidence['qemu'] ?? 'unknown', machines), tool: null })
    else missing.push(`qemu: ${report.reason}`)
  }

  const deno = findDeno()
  let plainDeno: Subject | null = null
  if (deno) {
    const version = await versionOf(deno, '--version')
    const cache = join(dir, 'deno')
    const plain = (name: string, flags: readonly string[]): Subject => byHand({ name, version, dir, cgroups, argv: (program, workDir) => ({ argv: ['/usr/bin/env', `DENO_DIR=${cache}`, 'DENO_NO_UPDATE_CHECK=1', deno, 'run', ...flags, `--allow-read=${workDir}`, join(workDir, program.command[0] as string)] }) })
    plainDeno = plain('deno by hand', ['--no-prompt', '--no-remote', '--no-config', '--quiet'])
    for (const [way, on] of ways) for (const [kind, behind] of [['deno', null], ['deno inside bwrap', walls.get(way) ?? null]] as const) {
      const name = `${kind}${way}`
      if ((kind !== 'deno' && !behind) || !wants(name)) continue
      const driver = createDenoDriver({ scratch: scratchOf(name), stages: on, wall: behind })
      const report = await driver?.probe()
      if (driver && report?.usable) pairs.push({ speaks: ['javascript', ...(report.runtimes.includes('python') ? ['python' as const] : [])], driver: asSubject(name, version, driver, way === ' first'), tool: plainDeno })
      else missing.push(`${name}: ${report?.reason ?? 'it does not run here'}`)
    }
  } else missing.push('deno: it is not installed for this platform')
  await stages.ready.keep(READY_BYTES)
  return { native, plainDeno, pairs, missing, settled: () => stages.ready.settled(), async close() { for (const [, on] of ways) await on.reap(); rmSync(scratch, { recursive: true, force: true }) } }
}

const SYSTEM = ['/usr', '/bin', '/sbin', '/lib', '/lib64']
const systemBinds = (): string[] => SYSTEM.filter((path) => existsSync(path)).flatMap((path) => ['--ro-bind', path, path])

/** The root file system of a bundle by hand: links as Debian has them, and /usr bound in. */
function writeBundle(dir: string, program: Program, workDir: string): string {
  const bundle = mkdtempSync(join(dir, 'bundle-')), rootfs = join(bundle, 'rootfs')
  for (const name of ['usr', 'work', 'proc', 'dev', 'tmp', 'etc']) mkdirSync(join(rootfs, name), { recursive: true })
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, join(rootfs, name))
  const bind = (source: string, destination: string, ...options: string[]): object => ({ destination, type: 'bind', source, options: ['rbind', ...options] })
  writeFileSync(join(bundle, 'config.json'), JSON.stringify({
    ociVersion: '1.0.2', root: { path: rootfs, readonly: true }, process: { user: { uid: 0, gid: 0 }, args: program.command, env: ['PATH=/usr/bin:/bin'], cwd: '/work', capabilities: {} },
    mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }, bind('/usr', '/usr', 'ro'), { destination: '/tmp', type: 'tmpfs', source: 'tmpfs' }, bind(workDir, '/work', 'rw')],
    linux: { namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map((type) => ({ type })) },
  }))
  return bundle
}
