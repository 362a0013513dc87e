// The agent that starts with the system: one systemd unit, of the user who runs it or, for root, of the system. Nothing is hidden in it: what is written is
// shown before, and there is no secret in it, because a machine that has joined needs no token any more.
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { homedir, userInfo } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { OwnerService } from '@lumaris/protocol'
import { NODE_FILE } from './enrol.ts'
import { writeAtomic } from './files.ts'
import { AgentStopped, codeOf } from './log.ts'

export type ServicePorts = {
  readonly dataDir: string
  /** What starts the agent: the program and all its arguments. */
  readonly argv: readonly string[]
  readonly uid?: number; readonly home?: string
  /** Below it lie /run and /etc; tests have their own. */
  readonly root?: string
  /** systemctl and loginctl: their output, or a throw. */
  readonly run?: (program: string, args: readonly string[]) => Promise<string>
}
const RUN_MS = 30_000
const runIt = (program: string, args: readonly string[]): Promise<string> => new Promise((done, fail) => { execFile(program, [...args], { timeout: RUN_MS }, (error, out, complaint) => { if (error) fail(new Error(complaint.trim() || error.message, { cause: error })); else done(out) }) })

/** One for each folder of an agent: several run side by side on one machine. */
export function unitName(dataDir: string, home = homedir()): string {
  const whole = resolve(dataDir)
  if (whole === join(home, '.lumaris', 'agent')) return 'lumaris-agent.service'
  return `lumaris-agent-${basename(whole).toLowerCase().replaceAll(/[^a-z0-9-]+/g, '-').replaceAll(/^-+|-+$/g, '') || 'node'}.service`
}
/** As systemd reads a line: in quotes, with its own signs taken for what they are. */
export function quote(word: string): string {
  if (/[\u0000-\u001f\u007f]/.test(word)) throw new AgentStopped('A unit of systemd cannot hold control characters: one of the options, or the path of the folder, has one.')
  return `"${word.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('%', '%%').replaceAll('$', '$$$$')}"`
}
/** In what is only shown: its signs of specifiers, and nothing else, mean something. */
function plain(text: string): string { quote(text); return text.replaceAll('%', '%%') }
export function unitText({ argv, dataDir, isSystem }: { readonly argv: readonly string[]; readonly dataDir: string; readonly isSystem: boolean }): string {
  return `# Written by: lumaris agent service install. Removed by: lumaris agent service remove.
[Unit]
Description=Lumaris agent in ${plain(resolve(dataDir))}
${isSystem ? 'Wants=network-online.target\nAfter=network-online.target\n' : ''}StartLimitIntervalSec=600
StartLimitBurst=5

[Service]
ExecStart=${argv.map(quote).join(' ')}
Restart=on-failure
RestartSec=10
# What it runs is limited by control groups of its own below this one.
Delegate=yes
# Jobs are given back in order; what is still there after a minute is ended.
KillMode=mixed
TimeoutStopSec=60
UMask=0077

[Install]
WantedBy=${isSystem ? 'multi-user.target' : 'default.target'}
`
}

/** The command line that starts this agent again: without its join token, and from any folder. */
export function serviceArgv({ execArgv, args, server, dataDir }: { readonly execArgv: readonly string[]; readonly args: readonly string[]; readonly server: string; readonly dataDir: string }): string[] {
  const kept: string[] = []
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as string, [name = '', given] = arg.split(/=(.*)/s, 2)
    if (name === '--token' || name === '--data' || name === '--server') { if (given === undefined) i++; continue }
    if (name === '--registry-auth' || name === '--driver-module') kept.push(name, resolve(given ?? args[++i] ?? ''))
    else kept.push(arg)
  }
  return [process.execPath, ...execArgv, fileURLToPath(new URL('main.ts', import.meta.url)), '--server', server, '--data', resolve(dataDir), ...kept]
}
export interface Service { status(): Promise<OwnerService>; install(start: boolean): Promise<OwnerService>; remove(): Promise<OwnerService>; restart(): Promise<OwnerService> }
export function createService({ dataDir, argv, uid = process.getuid?.() ?? -1, home = homedir(), root = '/', run = runIt }: ServicePorts): Service {
  const isSystem = uid === 0, name = unitName(dataDir, home)
  const path = isSystem ? join(root, 'etc/systemd/system', name) : join(home, '.config/systemd/user', name)
  const control = (...args: string[]): Promise<string> => run('systemctl', [...(isSystem ? [] : ['--user']), ...args])
  const ask = (...args: string[]): Promise<string> => control(...args).then((out) => out.trim(), () => '') // it says no by its exit status
  const absent = (): string | null => (existsSync(join(root, 'run/systemd/system')) ? null : process.platform === 'linux' ? 'This system is not run by systemd: start the agent by what starts programs here, such as: lumaris agent join' : 'Starting with the system is for Linux with systemd: start the agent by what starts programs here.')
  const read = (): string | null => { try { return readFileSync(path, 'utf8') } catch (error) { if (codeOf(error) === 'ENOENT') return null; throw error } }
  /** Another folder of the same last name has this unit. */
  function mine(): string | null {
    const text = read()
    if (text !== null && !text.includes(`${quote('--data')} ${quote(resolve(dataDir))}`)) throw new AgentStopped(`${path} is there, and starts something else. Look into it, and remove it if it is not needed.`)
    return text
  }
  async function status(): Promise<OwnerService> {
    const no = absent()
    if (no !== null) return { state: 'none', says: no, path: null, text: null, active: false }
    const text = read(), isEnabled = text !== null && (await ask('is-enabled', name)) === 'enabled', active = text !== null && (await ask('is-active', name)) === 'active'
    if (!isEnabled) return { state: text === null ? 'absent' : 'disabled', says: 'It does not start with the system.', path, text: unitText({ argv, dataDir, isSystem }), active }
    const lingers = isSystem || (await run('loginctl', ['show-user', String(uid), '--property=Linger', '--value']).catch(() => '')).trim() === 'yes'
    return { state: 'enabled', says: lingers ? 'It starts with the system.' : `It starts when you sign in. To have it start with the system: sudo loginctl enable-linger ${userInfo({ encoding: 'utf8' }).username}`, path, text, active }
  }
  const must = (): void => { const no = absent(); if (no !== null) throw new AgentStopped(no) }
  return {
    status,
    async install(start) {
      must()
      if (!existsSync(join(dataDir, NODE_FILE))) throw new AgentStopped(`${dataDir} has not joined a market yet; join first: lumaris agent join. What starts with the system holds no token.`)
      mine()
      await mkdir(join(path, '..'), { recursive: true })
      await writeAtomic(path, unitText({ argv, dataDir, isSystem }), 0o644)
      await control('daemon-reload')
      await control('enable', ...(start ? ['--now'] : []), name)
      return status()
    },
    async remove() {
      must()
      if (mine() === null) return status()
      // What runs by hand is not ended: only what the unit has started, and that gives its jobs back.
      await control('disable', name)
      await rm(path, { force: true })
      await control('daemon-reload')
      return status()
    },
    async restart() {
      must()
      if (mine() === null) throw new AgentStopped('This agent does not start with the system. Stop it with Ctrl-C, and start it as before; or first: lumaris agent service install')
      await control('restart', name)
      return status()
    },
  }
}
