// Ordered, acknowledged, resumable messages over one socket at a time. Each end numbers what it sends; the other end confirms a number when it
// has done with the message (for the market: when its commit is through), and only then is it dropped here. When the socket breaks, the next
// one goes on from what the peer has received; when the peer has lost its memory, everything unconfirmed is sent again under its old numbers.
//
// No socket, no timer and no clock inside: the owner attaches a way to write, feeds in what arrives, and calls `flush` when `onPending` asks.
// The rules have ids, L1…, in docs/reference/agent-link.md; test titles begin with them.
//
// A frame is one JSON text: {"seq": number of the first message, "m": [messages], "ack": highest number confirmed}. Either part may be absent.

/** A frame is cut when it has grown to this many characters: a quarter of the socket's limit leaves room for the largest single message. */
const FRAME_CHARS = 256 * 1024
/** Unconfirmed messages that are kept for sending again: minutes of a busy node. Beyond it `send` says no rather than grow. */
export const UNCONFIRMED_MAX = 50_000

export type LinkOptions<In> = {
  /** Called in order, once per number. The owner calls `confirm(seq)` when it has done with it. */
  readonly onMessage: (message: In, seq: number) => void
  /** There is something to write: call `flush` soon. Called once until the next flush. */
  readonly onPending: () => void
  /** Checks one message; null refuses the frame. Without it messages are taken as they are. */
  readonly parse?: (value: unknown) => In | null
  readonly unconfirmedMax?: number
}
export type LinkProblem = 'malformed' | 'gap' | 'refused_message'
export type Link<Out> = {
  /** Its number, or null when too many are unconfirmed. */
  send(message: Out): number | null
  /**
   * A socket is there. `peerHas` is the highest number of ours that the peer says it has received, or null when it has no memory of us: then all
   * that is unconfirmed goes again, and what it sends is counted afresh.
   */
  attach(write: (frame: string) => void, peerHas: number | null): void
  detach(): void
  /** What is wrong with the frame, or null. After a problem the owner closes the socket; the next one repairs it. */
  receive(frame: string): LinkProblem | null
  confirm(seq: number): void
  flush(): void
  /** Highest number received in order; null before the first. */
  readonly received: number | null
  readonly unconfirmed: number
  readonly attached: boolean
}

type Frame = { seq?: unknown; ack?: unknown; m?: unknown }
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0

export function createLink<Out, In>(options: LinkOptions<In>): Link<Out> {
  const max = options.unconfirmedMax ?? UNCONFIRMED_MAX
  // Out: texts[head…] are the unconfirmed messages; the first of them has the number `base`.
  let texts: string[] = []
  let head = 0, base = 1, unsent = 1
  let write: ((frame: string) => void) | null = null
  // In: `received` in order, `confirmed` by the owner, `told` the peer.
  let received: number | null = null
  let confirmed = 0, told = 0
  let asked = false

  const next = (): number => base + texts.length - head
  const pending = (): void => { if (!asked && write) { asked = true; options.onPending() } }
  const dropUpTo = (seq: number): void => {
    const count = Math.min(seq - base + 1, texts.length - head)
    if (count <= 0) return
    for (let i = 0; i < count; i++) texts[head + i] = ''
    head += count
    base += count
    if (unsent < base) unsent = base
    // Now and then the dead front is cut off: often enough to be small, seldom enough to cost nothing.
    if (head > 1024 && head * 2 > texts.length) { texts = texts.slice(head); head = 0 }
  }

  return {
    send(message) {
      if (texts.length - head >= max) return null
      const seq = next()
      texts.push(JSON.stringify(message))
      pending()
      return seq
    },
    attach(writer, peerHas) {
      write = writer
      if (peerHas !== null) dropUpTo(Math.min(peerHas, next() - 1))
      else { received = null; confirmed = 0 } // a peer without memory of us counts from one again
      unsent = base
      told = 0
      asked = false
      pending()
    },
    detach() { write = null; asked = false },
    receive(text) {
      let frame: Frame
      try { frame = JSON.parse(text) as Frame } catch { return 'malformed' }
      if (typeof frame !== 'object' || frame === null) return 'malformed'
      if (frame.ack !== undefined) {
        if (!isNumber(frame.ack) || frame.ack >= next()) return 'malformed'
        dropUpTo(frame.ack)
      }
      if (frame.m === undefined) return null
      if (!Array.isArray(frame.m) || !isNumber(frame.seq) || frame.seq < 1) return 'malformed'
      // The first frame of all sets the count: the peer may have sent and forgotten messages to an earlier life of ours.
      if (received === null) { received = frame.seq - 1; confirmed = received; told = received }
      if (frame.seq > received + 1) return 'gap'
      for (let i = received + 1 - frame.seq; i < frame.m.length; i++) {
        const message = options.parse ? options.parse(frame.m[i]) : (frame.m[i] as In)
        if (message === null) return 'refused_message'
        received++
        options.onMessage(message, received)
      }
      // A peer that repeats what we have confirmed has not heard the confirmation.
      if (frame.m.length > 0 && frame.seq <= confirmed) { told = 0; pending() }
      return null
    },
    confirm(seq) {
      if (received === null || seq > received || seq <= confirmed) return
      confirmed = seq
      pending()
    },
    flush() {
      asked = false
      if (!write) return
      do {
        const first = unsent
        let size = 0
        const parts: string[] = []
        while (unsent < next() && (parts.length === 0 || size < FRAME_CHARS)) {
          const text = texts[head + unsent - base] as string
          parts.push(text)
          size += text.length
          unsent++
        }
        const ack = confirmed > told ? `"ack":${confirmed}` : ''
        if (parts.length === 0 && ack === '') return
        told = Math.max(told, confirmed)
        const body = parts.length > 0 ? `"seq":${first},"m":[${parts.join(',')}]` : ''
        write(`{${[ack, body].filter(Boolean).join(',')}}`)
      } while (unsent < next() && write)
    },
    get received() { return received },
    get unconfirmed() { return texts.length - head },
    get attached() { return write !== null },
  }
}
