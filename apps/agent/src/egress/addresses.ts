// Where a job's connections may end: at addresses of the public internet that are not this machine's, nor its neighbours'. Everything else is refused,
// whatever name it was found under.
import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { GIVEN_V6, SPECIAL_V4, SPECIAL_V6 } from '@lumaris/protocol'

const special = new BlockList(), given = new BlockList()
for (const [net, bits] of SPECIAL_V4) special.addSubnet(net, bits, 'ipv4')
for (const [net, bits] of SPECIAL_V6) special.addSubnet(net, bits, 'ipv6')
given.addSubnet(...GIVEN_V6, 'ipv6')

/** A site may have as much as this of IPv6, in several networks: a home's router gives all of them to whoever is inside. */
const SITE_BITS = 48

/** This machine and all that shares a network with it: with public addresses, too, they would be reached past whatever guards them from outside. */
function neighbours(interfaces: ReturnType<typeof networkInterfaces>): BlockList {
  const list = new BlockList()
  for (const { address, cidr, family } of Object.values(interfaces).flatMap((all) => all ?? [])) {
    const bits = Number(cidr?.split('/')[1] ?? (family === 'IPv4' ? 32 : 128))
    if (family === 'IPv4') list.addSubnet(address, bits, 'ipv4')
    else list.addSubnet(address.split('%')[0] as string, Math.min(bits, SITE_BITS), 'ipv6')
  }
  return list
}

export function isPublic(address: string): boolean {
  if (isIPv4(address)) return !special.check(address, 'ipv4')
  return isIPv6(address) && given.check(address, 'ipv6') && !special.check(address, 'ipv6')
}
/** Whether a job's connection may end there. Asked again for each connection: networks come and go. */
export const mayReach = (address: string, interfaces = networkInterfaces()): boolean => isPublic(address) && !neighbours(interfaces).check(address, isIPv4(address) ? 'ipv4' : 'ipv6')

/** What a network's name server answers to this, when it has a machine that turns IPv6 into IPv4: then any IPv4 address, a private one too, has a public spelling there (RFC 7050). */
export const TRANSLATED = 'ipv4only.arpa'
/** Whether an address is one of that machine's, given those answers. */
export function translated(answers: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  // The answer ends with 192.0.0.170 or .171 behind the usual 96 bits; where the prefix is another, at least 32 bits are its.
  for (const answer of answers) list.addSubnet(answer, /:c000:a[ab]$/i.test(answer) ? 96 : 32, 'ipv6')
  return (address) => isIPv6(address) && list.check(address, 'ipv6')
}
