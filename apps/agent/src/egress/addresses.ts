// Where a job's connections may end: at addresses of the public internet that are not this machine's, nor its neighbours'. Everything else is refused,
// whatever name it was found under. The lists are IANA's registries of special addresses, and what clouds answer on beside them.
import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'

const V4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12], ['192.0.0.0', 24], ['192.0.2.0', 24], ['192.31.196.0', 24], ['192.52.193.0', 24],
  ['192.88.99.0', 24], ['192.168.0.0', 16], ['192.175.48.0', 24], ['198.18.0.0', 15], ['198.51.100.0', 24], ['203.0.113.0', 24], ['224.0.0.0', 4], ['240.0.0.0', 4],
  // Public by their numbers, private by use: Azure's host of every machine, and IBM's services for its own.
  ['168.63.129.16', 32], ['161.26.0.0', 16], ['166.8.0.0', 14],
]
// Inside of what is given out at all (2000::/3): protocol assignments with Teredo, documentation, 6to4, AS 112. What maps IPv4 (::ffff:0:0/96,
// 64:ff9b::/96), what is local (fc00::/7 with fd00:ec2::254, fe80::/10) and multicast lie outside of it.
const V6: readonly (readonly [string, number])[] = [['2001::', 23], ['2001:db8::', 32], ['2002::', 16], ['2620:4f:8000::', 48], ['3fff::', 20]]

const special = new BlockList(), given = new BlockList()
for (const [net, bits] of V4) special.addSubnet(net, bits, 'ipv4')
for (const [net, bits] of V6) special.addSubnet(net, bits, 'ipv6')
given.addSubnet('2000::', 3, 'ipv6')

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
