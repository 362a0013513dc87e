// Where the market may send: to public addresses only. What a name stands for is looked at when the connection is made, and the connection goes to the very
// address that was looked at: a name that answers differently the second time changes nothing. Loopback is for markets on one's own machine, where the operator
// says so; the networks around a server (private ranges, link-local with the metadata services of clouds, …) are never for its users.
import { BlockList, isIP } from 'node:net'
import type { LookupFunction } from 'node:net'
import { lookup as resolveName } from 'node:dns'
import type { LookupAddress, LookupOptions } from 'node:dns'
import { GIVEN_V6, SPECIAL_V4, SPECIAL_V6 } from '@lumaris/protocol'

// Of IPv6 only what is given out as global unicast may be reached at all, less what stands for other addresses.
const FORBIDDEN = new BlockList(), GLOBAL6 = new BlockList(), LOOPBACK = new BlockList()
for (const [net, bits] of SPECIAL_V4) FORBIDDEN.addSubnet(net, bits, 'ipv4')
for (const [net, bits] of SPECIAL_V6) FORBIDDEN.addSubnet(net, bits, 'ipv6')
GLOBAL6.addSubnet(...GIVEN_V6, 'ipv6')
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

export type AddressRules = { /** The operator lets webhooks reach this very machine. */ readonly loopback: boolean }

export function isAllowedAddress(address: string, { loopback }: AddressRules): boolean {
  const family = isIP(address)
  if (family === 4) return LOOPBACK.check(address) ? loopback : !FORBIDDEN.check(address)
  // An IPv4 address in the clothes of IPv6 (::ffff:10.0.0.1) is not in 2000::/3 and so refused, like everything that is not given out.
  return family === 6 && (LOOPBACK.check(address, 'ipv6') ? loopback : GLOBAL6.check(address, 'ipv6') && !FORBIDDEN.check(address, 'ipv6'))
}

/** What is wrong with this address, or null. Names are only looked up when something is sent. */
export function problemOfUrl(text: string, rules: AddressRules): string | null {
  if (!URL.canParse(text)) return 'it is not an address such as https://example.org/hook'
  const url = new URL(text), host = hostOf(url)
  if (url.username !== '' || url.password !== '') return 'it carries a user name or a password: the signature says who sends'
  if (url.hash !== '') return 'what stands behind a # is never sent'
  if (isIP(host) !== 0 && !isAllowedAddress(host, rules)) return `${host} is not on the public internet`
  if (isLocalName(host) && !rules.loopback) return `${host} is not on the public internet`
  if (url.protocol === 'https:') return null
  const isLoopback = isIP(host) === 0 ? isLocalName(host) : LOOPBACK.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4')
  return url.protocol === 'http:' && rules.loopback && isLoopback ? null : 'it must begin with https://'
}
export const hostOf = (url: URL): string => url.hostname.replace(/^\[(.*)\]$/, '$1')
export const isLocalName = (host: string): boolean => /(?:^|\.)localhost\.?$/i.test(host)

export class ForbiddenAddress extends Error { override readonly name = 'ForbiddenAddress' }

/** Names → addresses, as `lookup` of node:dns. */
export type Resolve = (host: string, options: LookupOptions & { all: true }, done: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void) => void

/** For a socket: looks the name up and gives on only if every address it stands for is allowed. Names are not asked for addresses when the host is one: see `problemOfUrl`. */
export const lookupAllowed = (rules: AddressRules, resolve: Resolve = resolveName): LookupFunction => (host, options, done) => {
  resolve(host, { ...options, all: true }, (error, found) => {
    if (error) return done(error, '', 0)
    const list = found
    const bad = list.find(({ address }) => !isAllowedAddress(address, rules))
    if (bad || list.length === 0) return done(new ForbiddenAddress(`${host} stands for ${bad?.address ?? 'nothing'}, which is not on the public internet`), '', 0)
    // An http address is let through by its name only (localhost): the name must then mean this machine.
    if (options.all) done(null, list as never)
    else done(null, (list[0] as { address: string }).address, (list[0] as { family: number }).family)
  })
}

/** What a connection ended with, for people. */
export const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing answers there', ENOTFOUND: 'no such host', EAI_AGAIN: 'the name could not be looked up', ECONNRESET: 'the connection was cut', EHOSTUNREACH: 'it cannot be reached', ENETUNREACH: 'it cannot be reached', ETIMEDOUT: 'it does not answer',
  CERT_HAS_EXPIRED: 'its certificate has expired', DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not trusted', SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not trusted', UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not trusted', ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name', HPE_HEADER_OVERFLOW: 'its answer is too large',
}
