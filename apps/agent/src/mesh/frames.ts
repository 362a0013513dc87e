// Packets in a stream of bytes: a length of 32 bits, then the packet. And what stands in the head of an IPv4 packet.
import type { Writable } from 'node:stream'
import { GANG_MAX, gangAddress } from '@lumaris/protocol'

export const PACKET_MAX = 65_535

/** `push` says false when a length is larger than anything sent here: the stream has lost its step, or was never ours. */
export function createFrames(max: number, onFrame: (frame: Buffer) => void): { push(chunk: Buffer): boolean } {
  let kept: Buffer[] = [], size = 0, wanted = 4
  return {
    push(chunk) {
      kept.push(chunk)
      size += chunk.length
      if (size < wanted) return true
      // One copy at most for each frame: a chunk that brings a frame whole is cut, not copied.
      let bytes = kept.length === 1 ? chunk : Buffer.concat(kept, size)
      while (bytes.length >= 4) {
        const length = bytes.readUInt32LE(0)
        if (length > max) return false
        wanted = 4 + length
        if (bytes.length < wanted) break
        onFrame(bytes.subarray(4, wanted))
        bytes = bytes.subarray(wanted)
        wanted = 4
      }
      kept = bytes.length > 0 ? [bytes] : []
      size = bytes.length
      return true
    },
  }
}

/** One frame, in pieces. */
export function writeFrame(socket: Writable, parts: readonly Uint8Array[]): void {
  const head = Buffer.allocUnsafe(4)
  head.writeUInt32LE(parts.reduce((sum, part) => sum + part.length, 0))
  socket.cork(); socket.write(head); for (const part of parts) socket.write(part); socket.uncork()
}

const PREFIX = gangAddress(0).split('.').slice(0, 3).map(Number)
/** Whose packet it is and for whom, by rank; null when it is not one between two ranks. */
export function ranksOf(packet: Buffer): { readonly from: number; readonly to: number } | null {
  if (packet.length < 20 || (packet[0] as number) >> 4 !== 4 || packet.readUInt16BE(2) !== packet.length) return null
  const from = rankAt(packet, 12), to = rankAt(packet, 16)
  return from === null || to === null ? null : { from, to }
}
function rankAt(packet: Buffer, at: number): number | null {
  if (PREFIX.some((byte, i) => packet[at + i] !== byte)) return null
  const rank = (packet[at + 3] as number) - 1
  return rank >= 0 && rank < GANG_MAX ? rank : null
}
