// A buyer who is in a hurry: keep-alive connections written and read by hand, because a comfortable HTTP client would cost more than the server.
// Ends of jobs come over one event stream.
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { randomBytes } from 'node:crypto'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
let count = 0
const prefix = [...randomBytes(10)].map((byte) => ALPHABET[byte & 31]).join('')
/** Ids of this run, in order, each new. */
export function newJobId(): string {
  let tail = ''
  for (let i = 0, rest = count++; i < 6; i++, rest = Math.floor(rest / 32)) tail = ALPHABET[rest % 32] + tail
  return `job_01${'kzzzzzzz'}${prefix}${tail}`
}

export class Connection {
  #socket: Socket
  #text = ''
  #waiting: ((status: number) => void)[] = []
  constructor(url: URL) {
    this.#socket = connect({ host: url.hostname, port: Number(url.port) }).setNoDelay(true).setEncoding('latin1')
    this.#socket.on('data', (text: Buffer | string) => this.#read(String(text)))
  }
  request(head: string, body: string): Promise<number> {
    this.#socket.write(`${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
  close(): void { this.#socket.destroy() }
  #read(text: string): void {
    this.#text += text
    for (;;) {
      const end = this.#text.indexOf('\r\n\r\n')
      if (end < 0) return
      const at = this.#text.indexOf('content-length: ')
      const length = at >= 0 && at < end ? Number.parseInt(this.#text.slice(at + 16, at + 30), 10) : 0
      if (this.#text.length < end + 4 + length) return
      const status = Number(this.#text.slice(9, 12))
      if (status >= 400) process.stderr.write(`${this.#text.slice(end + 4, end + 4 + length)}\n`)
      this.#text = this.#text.slice(end + 4 + length)
      this.#waiting.shift()?.(status)
    }
  }
}

/** Calls `onEvent` with each event of this type. */
export function listen(url: URL, key: string, type: 'ended' | 'attempt', onEvent: (job: string, state: string) => void): Promise<() => void> {
  return new Promise((resolve) => {
    const socket = connect({ host: url.hostname, port: Number(url.port) }).setEncoding('utf8')
    socket.write(`GET /v1/events?type=${type} HTTP/1.1\r\nhost: bench\r\naccept: text/event-stream\r\nauthorization: Bearer ${key}\r\n\r\n`)
    let text = ''
    socket.on('data', (more: Buffer | string) => {
      text += String(more)
      if (text.includes(': hello')) resolve(() => socket.destroy())
      let from = 0
      for (let at = text.indexOf('data: {', from); at >= 0; at = text.indexOf('data: {', from)) {
        const end = text.indexOf('\n', at)
        if (end < 0) break
        const line = text.slice(at, end)
        onEvent(/"job":"([^"]+)"/.exec(line)?.[1] ?? '', /"state":"([^"]+)"/.exec(line)?.[1] ?? '')
        from = end
      }
      text = from > 0 ? text.slice(from) : text.slice(-65_536)
    })
  })
}
