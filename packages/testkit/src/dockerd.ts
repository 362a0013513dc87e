// A Docker Engine of the test's own: socket, images and state in a directory that goes with it. Null where dockerd is not installed or does not start.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const START_MS = 30_000
export type TestDockerd = { readonly socket: string; stop(): Promise<void> }

const answers = (socketPath: string): Promise<boolean> => new Promise((resolve) => { request({ socketPath, path: '/_ping' }, (reply) => { reply.resume(); resolve(reply.statusCode === 200) }).on('error', () => resolve(false)).end() })

export async function startDockerd(): Promise<TestDockerd | null> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || spawnSync('dockerd', ['--version']).status !== 0) return null
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-dockerd-')), socket = join(dir, 's')
  // Also when the test is killed: a daemon that nobody stops would stay for good.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'dockerd', '--data-root', join(dir, 'data'), '--exec-root', join(dir, 'exec'), '--pidfile', join(dir, 'pid'), '--host', `unix://${socket}`, '--iptables=false', '--ip6tables=false', '--bridge=none'], { stdio: 'ignore' })
  const over = new Promise<void>((resolve) => child.once('exit', () => resolve()).once('error', () => resolve()))
  const sweep = (): void => { child.kill('SIGKILL') }
  process.once('exit', sweep)
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    await over
    process.off('exit', sweep)
    for (const place of readFileSync('/proc/self/mounts', 'utf8').split('\n').map((line) => line.split(' ')[1] ?? '').filter((path) => path.startsWith(dir)).toReversed()) spawnSync('umount', ['-l', place])
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
  }
  for (const end = performance.now() + START_MS; child.exitCode === null && child.signalCode === null && performance.now() < end; await delay(50)) if (await answers(socket)) return { socket, stop }
  await stop()
  return null
}
