// Somebody who is told things: a real server on this machine that keeps what comes, and answers as it is bid.
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Told = { readonly headers: IncomingHttpHeaders; readonly body: string; readonly path: string }
export type HookReceiver = Awaited<ReturnType<typeof startHookReceiver>>

export async function startHookReceiver() {
  const told: Told[] = []
  let answer: (response: ServerResponse, one: Told) => void = (response) => { response.writeHead(204).end() }
  const server = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => { body += text }).on('end', () => {
      const one = { headers: request.headers, body, path: request.url ?? '' }
      told.push(one)
      answer(response, one)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`, port, told,
    answerWith(how: number | ((response: ServerResponse, one: Told) => void)): void { answer = typeof how === 'number' ? (response) => { response.writeHead(how).end() } : how },
    stop: (): Promise<void> => new Promise((resolve) => { server.close(() => resolve()); server.closeAllConnections() }),
  }
}
