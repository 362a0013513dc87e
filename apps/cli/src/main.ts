// The `lumaris` command: the process around runCli.
import { enableCompileCache } from 'node:module'

// Half of the time that `--help` takes is compiling; the second call finds it done.
enableCompileCache()
const { runCli } = await import('./cli.ts')

// A reader that has seen enough (`| head`) is no failure.
for (const stream of [process.stdout, process.stderr]) stream.on('error', (error: NodeJS.ErrnoException) => { if (error.code === 'EPIPE') process.exit(0); else throw error })

const code = await runCli(process.argv.slice(2), {
  stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, env: process.env, cwd: process.cwd(), now: () => Date.now(), exitNow: (now) => process.exit(now),
  ...(process.platform === 'win32' ? {} : { become: (program: string, args: readonly string[], env: NodeJS.ProcessEnv) => process.execve!(program, [...args], env) }),
  onInterrupt(handler) {
    process.on('SIGINT', handler).on('SIGTERM', handler)
    return () => { process.off('SIGINT', handler).off('SIGTERM', handler) }
  },
})
// Sockets kept alive and a stdin somebody asked would hold the process; what was written is written first.
process.exitCode = code
for (const stream of [process.stdout, process.stderr]) if (stream.writableLength > 0) await new Promise<void>((resolve) => { stream.write('', () => resolve()) })
process.exit()
