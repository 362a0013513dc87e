// SOCKS5 (RFC 1928) as far as it is needed here: no password, CONNECT alone, and hosts by their names. Who sends an address has asked somebody else what a
// name means; UDP and connections from outside there are none.
export const VERSION = 5
const NO_PASSWORD = 0, CONNECT = 1, IPV4 = 1, NAME = 3, IPV6 = 4

export type SocksReply = 'granted' | 'failed' | 'refused' | 'unreachable' | 'no such command' | 'no such address'
const CODES: Readonly<Record<SocksReply, number>> = { granted: 0, failed: 1, refused: 2, unreachable: 4, 'no such command': 7, 'no such address': 8 }
/** With the address that a connection comes from, which is nobody's business here. */
export const replyOf = (reply: SocksReply): Buffer => Buffer.from([VERSION, CODES[reply], 0, IPV4, 0, 0, 0, 0, 0, 0])
export const methodOf = (takes: boolean): Buffer => Buffer.from([VERSION, takes ? NO_PASSWORD : 0xff])

/** What a client can do, and how many bytes said it; null while it has not said all. */
export function greetingIn(bytes: Buffer): { readonly size: number; readonly takes: boolean } | null {
  const size = 2 + (bytes[1] ?? Infinity)
  return bytes.length < size ? null : { size, takes: bytes.subarray(2, size).includes(NO_PASSWORD) }
}

/** Where it wants to go, as text, or why not; and how many bytes said it. Null while it has not said all. */
export function requestIn(bytes: Buffer): { readonly size: number; readonly target: string } | { readonly refused: SocksReply } | null {
  if (bytes.length < 5) return null
  const [version, command, reserved, kind, length = 0] = bytes
  if (version !== VERSION || reserved !== 0) return { refused: 'failed' }
  if (command !== CONNECT) return { refused: 'no such command' }
  if (kind !== NAME) return { refused: kind === IPV4 || kind === IPV6 ? 'no such address' : 'failed' }
  const size = 5 + length + 2
  return bytes.length < size ? null : { size, target: `${bytes.toString('latin1', 5, size - 2)}:${bytes.readUInt16BE(size - 2)}` }
}
