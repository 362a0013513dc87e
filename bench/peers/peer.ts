// Makes a Peer of three things: a server, the packages, and a function that opens a queue on that server. The queue is opened in a process of its
// own (child.ts), so that neither memory nor event loop is shared with another peer; one peer has the machine at a time.
import { fork } from 'node:child_process'
import { join } from 'node:path'
import type { Load, Measures, Peer, Queue } from './load.ts'
import { packagesMissing, packageVersion } from './packages.ts'
import { end, type Server } from './servers.ts'

export interface PeerParts {
  name: string
  packages: string[]
  serverMissing(): string | undefined
  serverVersion(): Record<string, string>
  startServer(): Promise<Server>
  /** In the child. */
  openQueue(url: string): Promise<Queue>
}
export interface PeerModule { peers: MeasuredPeer[] }
export type MeasuredPeer = Peer & Pick<PeerParts, 'openQueue'>

export type ToChild = { module: string; name: string; url: string; load: Load }
export type FromChild = { progress: string } | { measures: Measures } | { error: string }

export function peerOf(moduleFile: string, parts: PeerParts): MeasuredPeer {
  return {
    name: parts.name,
    openQueue: (url) => parts.openQueue(url),
    versions: () => ({ ...Object.fromEntries(parts.packages.map((name) => [name, packageVersion(name)])), ...parts.serverVersion() }),
    available: () => parts.serverMissing() ?? packagesMissing(),
    async run(load, progress = () => {}) {
      const started = performance.now()
      const server = await parts.startServer()
      try {
        return await inChild({ module: moduleFile, name: parts.name, url: server.url, load }, load.msMax - (performance.now() - started), progress)
      } finally {
        await server.stop()
      }
    },
  }
}

async function inChild(order: ToChild, msMax: number, progress: (line: string) => void): Promise<Measures> {
  const child = fork(join(import.meta.dirname, 'child.ts'), [], { execArgv: ['--disable-warning=ExperimentalWarning'], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let complaints = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => { complaints = (complaints + text).slice(-4_000) })
  let limit: NodeJS.Timeout | undefined
  try {
    return await new Promise<Measures>((resolve, reject) => {
      limit = setTimeout(() => reject(new Error(`${order.name} did not end within its time`)), msMax)
      child.on('message', (message: FromChild) => {
        if ('progress' in message) progress(message.progress)
        else if ('measures' in message) resolve(message.measures)
        else reject(new Error(message.error))
      })
      child.on('error', reject)
      child.on('exit', (code, signal) => reject(new Error(`${order.name} ended early (${signal ?? code}): ${complaints.trim() || 'no output'}`)))
      child.send(order)
    })
  } finally {
    clearTimeout(limit)
    await end(child, 'SIGKILL')   // it has said what it had to say, or has lost its time; its server's data is thrown away anyway
  }
}
