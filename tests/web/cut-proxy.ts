// Between a page and its market, on loopback: hands bytes on, and falls silent when it is told to. What was open breaks, and nobody gets through.
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

export type CutProxy = { readonly url: string; cut(): void; mend(): void; stop(): Promise<void> }
export async function startCutProxy(target: string): Promise<CutProxy> {
  const { hostname, port } = new URL(target), open = new Set<Socket>()
  let isCut = false
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    if (isCut) { socket.destroy(); return }
    const other = connect(Number(port), hostname)
    for (const [one, two] of [[socket, other], [other, socket]] as const) {
      open.add(one)
      one.pipe(two)
      one.on('error', () => two.destroy())
      one.on('close', () => { open.delete(one); two.destroy() })
    }
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const end = (): void => { for (const socket of open) socket.destroy() }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() { isCut = true; end() },
    mend() { isCut = false },
    stop: () => new Promise((resolve) => { server.close(() => resolve()); end() }),
  }
}
