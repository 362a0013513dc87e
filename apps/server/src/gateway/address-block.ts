// Which block of addresses a caller is in: those behind one are taken for one person when copies must be independent.
import { BlockList, isIP } from 'node:net'
import type { IncomingMessage } from 'node:http'
import { networkOf } from '../identity/guess-guard.ts'

const V4_MAPPED = /^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i
const NAMES: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'], linklocal: ['169.254.0.0/16', 'fe80::/10'], uniquelocal: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
}
const QUIET = listOf('loopback, linklocal, uniquelocal, 0.0.0.0/8, 100.64.0.0/10, 224.0.0.0/3, ff00::/8, ::/128')

/** As the option for trusted proxies is written: addresses, blocks and the names of private ones, with commas between. What cannot be read is left out, so it trusts nobody. */
export function listOf(text: string): BlockList {
  const list = new BlockList()
  for (const part of text.split(',').flatMap((one) => NAMES[one.trim()] ?? [one.trim()])) {
    const [address = '', bits] = part.split('/'), family = isIP(address), most = family === 6 ? 128 : 32, prefix = bits === undefined ? most : Number(bits)
    if (family !== 0 && Number.isInteger(prefix) && prefix >= 0 && prefix <= most) list.addSubnet(address, prefix, family === 6 ? 'ipv6' : 'ipv4')
  }
  return list
}
const isIn = (list: BlockList, address: string): boolean => { const family = isIP(address); return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4') }
const plain = (address: string): string => address.trim().replace(V4_MAPPED, '')

/** 256 addresses of version 4, or the 2^80 that one customer has of version 6. Undefined for what says nothing: private networks, and what is no address. */
export function blockOf(address: string): string | undefined {
  const bare = plain(address), family = isIP(bare)
  if (family === 0 || isIn(QUIET, bare)) return undefined
  return family === 4 ? `${bare.split('.').slice(0, 3).join('.')}.0/24` : `${networkOf(bare).split(':').slice(0, 3).join(':')}::/48`
}

/** Who is at the other end: the first from behind who is no proxy that is trusted. What somebody else writes into the header counts for nothing. */
export function callerOf(request: Pick<IncomingMessage, 'headers'> & { readonly socket: { readonly remoteAddress?: string | undefined } }, trusted: BlockList | null): string {
  const peer = plain(request.socket.remoteAddress ?? ''), header = request.headers['x-forwarded-for']
  if (!trusted || !isIn(trusted, peer) || header === undefined) return peer
  const hops = String(header).split(',').map(plain)
  let from = peer
  for (let hop = hops.pop(); hop !== undefined && isIn(trusted, from); hop = hops.pop()) { if (isIP(hop) === 0) break; from = hop }
  return from
}
