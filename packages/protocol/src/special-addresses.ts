// Addresses that are not the public internet: IANA's registries of special addresses, and what clouds answer on beside them. One list for all who connect to
// where a stranger says (webhooks of the market, outgoing connections of jobs). As network and number of bits.
export type Network = readonly [address: string, bits: number]

export const SPECIAL_V4: readonly Network[] = [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12], ['192.0.0.0', 24], ['192.0.2.0', 24], ['192.31.196.0', 24], ['192.52.193.0', 24],
  ['192.88.99.0', 24], ['192.168.0.0', 16], ['192.175.48.0', 24], ['198.18.0.0', 15], ['198.51.100.0', 24], ['203.0.113.0', 24], ['224.0.0.0', 4], ['240.0.0.0', 4],
  // Public by their numbers, private by use: Azure's host of every machine, and IBM's services for its own.
  ['168.63.129.16', 32], ['161.26.0.0', 16], ['166.8.0.0', 14],
]
/** What is given out of IPv6 at all. What maps IPv4 (::ffff:0:0/96, 64:ff9b::/96), what is local (fc00::/7 with fd00:ec2::254, fe80::/10) and multicast lie outside of it. */
export const GIVEN_V6: Network = ['2000::', 3]
/** Inside of that: protocol assignments with Teredo, documentation, 6to4, AS 112. */
export const SPECIAL_V6: readonly Network[] = [['2001::', 23], ['2001:db8::', 32], ['2002::', 16], ['2620:4f:8000::', 48], ['3fff::', 20]]
