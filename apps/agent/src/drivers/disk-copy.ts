// Where QEMU copies the disk of a machine to while its program runs: a disk that is elsewhere, over NBD, the one protocol it has for that. Only what a copy
// needs is answered: one export of one size, writing, zeroes, flushing. Nothing can be read here. QEMU may have been broken out of, so every request is
// measured before any of it is acted on; whoever does not keep to the protocol is hung up on, and the copy fails.
import type { Duplex } from 'node:stream'

export type DiskCopy = {
  readonly bytes: number
  /** Answered when they have resolved: so a slow way slows the copy down. */
  write(at: number, data: Buffer): Promise<void>
  zero(at: number, length: number): Promise<void>
}
const GREETING = Buffer.from('NBDMAGICIHAVEOPT\0\x03', 'latin1'), OPTION = 0x49484156454f5054n, OPTION_REPLY = 0x3e889045565a9n
const REQUEST = 0x25609513, REPLY = 0x67446698
const OPT_ABORT = 2, OPT_INFO = 6, OPT_GO = 7, REP_ACK = 1, REP_INFO = 3, REP_UNKNOWN = 0x80000001
const INFO_EXPORT = 0, INFO_BLOCKS = 3
const WRITE = 1, DISCONNECT = 2, FLUSH = 3, TRIM = 4, ZEROES = 6, EINVAL = 22
/** Has flags; flush, trim and write zeroes are known. */
const ABILITIES = 1 | 4 | 32 | 64
const PIECE_MAX = 1024 * 1024, OPTION_MAX = 4096

/** Serves one client until it leaves; rejects when it breaks the rules, or when the copy does. */
export async function serveDiskCopy(socket: Duplex, disk: DiskCopy): Promise<void> {
  const reader = readerOf(socket), take = (size: number): Promise<Buffer> => reader.take(size)
  try {
    socket.write(GREETING)
    await take(4)
    if (!await negotiate(socket, take, disk.bytes)) return
    for (;;) {
      const head = await take(28).catch(() => null /* it left without a word */)
      if (head === null) return
      if (head.readUInt32BE(0) !== REQUEST) throw new Error('QEMU lost its step while it copied the disk')
      const type = head.readUInt16BE(6), at = Number(head.readBigUInt64BE(16)), length = head.readUInt32BE(24)
      if (type === DISCONNECT) return
      const isInside = at + length <= disk.bytes
      const data = type === WRITE && length <= PIECE_MAX ? await take(length) : null
      if (type === WRITE && data === null) throw new Error(`QEMU wrote ${length} bytes of the disk in one piece`)
      if (isInside && data) await disk.write(at, data)
      else if (isInside && (type === TRIM || type === ZEROES)) await disk.zero(at, length)
      const reply = Buffer.alloc(16)
      reply.writeUInt32BE(REPLY, 0)
      reply.writeUInt32BE(isInside && (type === WRITE || type === TRIM || type === ZEROES || type === FLUSH) ? 0 : EINVAL, 4)
      head.copy(reply, 8, 8, 16)
      socket.write(reply)
    }
  } finally { reader.close() }
}

/** False when the client only wanted to ask. */
async function negotiate(socket: Duplex, take: (bytes: number) => Promise<Buffer>, bytes: number): Promise<boolean> {
  for (;;) {
    const head = await take(16), option = head.readUInt32BE(8), length = head.readUInt32BE(12)
    if (head.readBigUInt64BE(0) !== OPTION || length > OPTION_MAX) throw new Error('QEMU asked for the disk in a way that is not understood')
    await take(length)
    const answer = (type: number, data = Buffer.alloc(0)): void => {
      const reply = Buffer.alloc(20)
      reply.writeBigUInt64BE(OPTION_REPLY, 0); reply.writeUInt32BE(option, 8); reply.writeUInt32BE(type, 12); reply.writeUInt32BE(data.length, 16)
      socket.write(Buffer.concat([reply, data]))
    }
    if (option === OPT_GO || option === OPT_INFO) {
      const disk = Buffer.alloc(12), blocks = Buffer.alloc(14)
      disk.writeUInt16BE(INFO_EXPORT, 0); disk.writeBigUInt64BE(BigInt(bytes), 2); disk.writeUInt16BE(ABILITIES, 10)
      blocks.writeUInt16BE(INFO_BLOCKS, 0); blocks.writeUInt32BE(1, 2); blocks.writeUInt32BE(4096, 6); blocks.writeUInt32BE(PIECE_MAX, 10)
      answer(REP_INFO, disk); answer(REP_INFO, blocks); answer(REP_ACK)
      if (option === OPT_GO) return true
    } else { answer(option === OPT_ABORT ? REP_ACK : REP_UNKNOWN); if (option === OPT_ABORT) return false }
  }
}

/** So many bytes, once they are there; what comes meanwhile waits in the socket. */
function readerOf(socket: Duplex): { take(bytes: number): Promise<Buffer>; close(): void } {
  const over = new Error('QEMU ended the copy of the disk')
  let ended = false, look: () => void = () => undefined
  socket.on('readable', () => look())
  for (const event of ['end', 'close', 'error'] as const) socket.on(event, () => { ended = true; look() })
  return {
    take: (bytes) => new Promise((resolve, reject) => {
      look = () => {
        const data = bytes === 0 ? Buffer.alloc(0) : socket.read(bytes) as Buffer | null
        if (data?.length === bytes) { look = () => undefined; resolve(data) } else if (data !== null || ended) { look = () => undefined; reject(over) }
      }
      look()
    }),
    close() { socket.destroy() },
  }
}
