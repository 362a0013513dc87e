import { expect, test } from 'vitest'
import { networkInterfaces } from 'node:os'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isPublic, mayReach } from './addresses.ts'
import { addressesOf } from './resolve.ts'
import { isListed, targetOf } from './hosts.ts'

test('only the public internet may be reached: nothing private, local, shared, special, or of a cloud’s own, in either family', () => {
  const inside = [
    '0.0.0.0', '0.1.2.3', '10.0.0.1', '10.255.255.255', '100.64.0.1', '100.100.100.200', '100.127.255.255', '127.0.0.1', '127.255.255.254', '168.63.129.16', '169.254.0.1', '169.254.169.254', '169.254.170.2', '172.16.0.1', '172.31.255.255',
    '192.0.0.192', '192.0.2.1', '192.88.99.1', '192.168.0.1', '198.18.0.1', '198.19.255.255', '198.51.100.1', '203.0.113.1', '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255',
    '::', '::1', '::127.0.0.1', '::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:8.8.8.8', '64:ff9b::127.0.0.1', '64:ff9b::808:808', '64:ff9b:1::1', '100::1', '2001::1', '2001:2::1', '2001:db8::1', '2002:7f00:1::', '2002:808:808::1', '2620:4f:8000::1', '3fff::1', '5f00::1',
    'fc00::1', 'fd00:ec2::254', 'fd20:ce::254', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'ff02::1', 'ff0e::1',
  ]
  expect(inside.filter((address) => isPublic(address) || mayReach(address))).toEqual([])
  const outside = ['1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.1', '100.63.255.255', '100.128.0.1', '172.15.255.255', '172.32.0.1', '192.167.255.255', '223.255.255.255', '2606:4700::1111', '2a00:1450:4001::1', '2001:4860:4860::8888', '2600::1']
  expect(outside.filter((address) => !isPublic(address))).toEqual([])
})
test('what is no address is nowhere', () => {
  for (const text of ['', 'localhost', '1.1.1', '0x1.1.1.1', '01.1.1.1', '16843009', '1.1.1.1 ', '1.1.1.1:80', '[2606:4700::1111]', '2606:4700:::1']) expect(isPublic(text), text).toBe(false)
})
test('this machine is not to be reached by its own addresses, whichever they are', () => {
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []).map(({ address }) => address)
  expect(own.length).toBeGreaterThan(0)
  expect(own.filter((address) => mayReach(address))).toEqual([])
})

test('nor are its neighbours, where networks have public addresses: they would be reached from inside', () => {
  const one = (family: 'IPv4' | 'IPv6', cidr: string) => ({ address: cidr.split('/')[0] as string, netmask: '', family, mac: '', internal: false, cidr, ...(family === 'IPv6' ? { scopeid: 0 } : {}) }) as never
  const here = { eth0: [one('IPv4', '93.184.216.34/24'), one('IPv6', '2a02:8070:1:2::5/64'), one('IPv6', 'fe80::1/64')] }
  const may = (address: string): boolean => mayReach(address, here)
  expect(['93.184.216.34', '93.184.216.1', '93.184.216.255', '2a02:8070:1:2::5', '2a02:8070:1:2::99', '2a02:8070:1:ffff::1'].filter(may)).toEqual([])
  expect(['93.184.217.1', '2a02:8070:2::1', '1.1.1.1'].filter((address) => !may(address))).toEqual([])
})

/** A name server of the test's: answers what it is told, and to other names that there are none; to `silent.` names nothing. */
async function nameServer(known: Record<string, string[]>): Promise<{ at: string; asked: string[]; close(): void }> {
  const socket = createSocket('udp4'), asked: string[] = []
  socket.on('message', (query, from) => {
    const labels: string[] = []
    let at = 12
    while (query[at]) { labels.push(query.toString('latin1', at + 1, at + 1 + (query[at] as number))); at += 1 + (query[at] as number) }
    const name = labels.join('.'), type = query.readUInt16BE(at + 1), question = query.subarray(12, at + 5)
    asked.push(`${name} ${type === 1 ? 'A' : 'AAAA'}`)
    if (name.startsWith('silent.')) return
    const answers = (known[name] ?? []).filter((address) => address.includes(':') === (type === 28)).map((address) => {
      const data = type === 1 ? Buffer.from(address.split('.').map(Number)) : Buffer.from(expand(address), 'hex'), record = Buffer.alloc(12)
      record.writeUInt16BE(0xc00c, 0); record.writeUInt16BE(type, 2); record.writeUInt16BE(1, 4); record.writeUInt32BE(60, 6); record.writeUInt16BE(data.length, 10)
      return Buffer.concat([record, data])
    })
    const head = Buffer.alloc(12)
    query.copy(head, 0, 0, 2); head.writeUInt16BE(name in known ? 0x8180 : 0x8183, 2); head.writeUInt16BE(1, 4); head.writeUInt16BE(answers.length, 6)
    socket.send(Buffer.concat([head, question, ...answers]), from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { at: `127.0.0.1:${socket.address().port}`, asked, close: () => socket.close() }
}
function expand(address: string): string {
  const [left = '', right = ''] = address.split('::'), words = (text: string) => (text === '' ? [] : text.split(':')).map((word) => word.padStart(4, '0'))
  const [a, b] = [words(left), words(right)]
  return [...a, ...Array.from({ length: 8 - a.length - b.length }, () => '0000'), ...b].join('')
}
test('names are asked of name servers alone, in both families, and for a bounded time', async () => {
  const server = await nameServer({ 'both.example': ['1.2.3.4', '2600::5'], 'four.example': ['1.2.3.4'] })
  expect(await addressesOf('both.example', 2_000, [server.at])).toEqual(['1.2.3.4', '2600::5'])
  expect(await addressesOf('four.example', 2_000, [server.at])).toEqual(['1.2.3.4'])
  expect(await addressesOf('none.example', 2_000, [server.at])).toEqual([])
  const from = performance.now()
  expect(await addressesOf('silent.example', 300, [server.at])).toEqual([])
  expect(performance.now() - from).toBeLessThan(2_000)
  expect(server.asked).toEqual(expect.arrayContaining(['both.example A', 'both.example AAAA'])) // and to nobody else, whatever the machine's own list says
  server.close()
})
test('where IPv6 is turned into IPv4 on the way, no address that would be turned is used: each private one has a public spelling there', async () => {
  const usual = await nameServer({ 'ipv4only.arpa': ['192.0.0.170', '2a00:1:64::c000:aa', '2a00:1:64::c000:ab'], 'turned.example': ['2a00:1:64::a00:1', '2a00:1:64::7f00:1', '2a00:1:65::1'] })
  expect(await addressesOf('turned.example', 2_000, [usual.at])).toEqual(['2a00:1:65::1'])
  usual.close()
  const odd = await nameServer({ 'ipv4only.arpa': ['2a00:1:c000:aa::'], 'turned.example': ['2a00:1:a00:1::', '2a00:2::1'] })
  expect(await addressesOf('turned.example', 2_000, [odd.at])).toEqual(['2a00:2::1'])
  odd.close()
})

test('a target has one spelling; all others are refused', () => {
  expect(targetOf('Example.ORG:443')).toEqual({ host: 'example.org', port: 443 })
  expect(targetOf('xn--mnchen-3ya.example:8443')).toEqual({ host: 'xn--mnchen-3ya.example', port: 8443 })
  expect(targetOf('example.org', 80)).toEqual({ host: 'example.org', port: 80 })
  for (const text of ['', ':443', 'example.org', 'example.org:', 'example.org:0', 'example.org:0443', 'example.org:65536', 'example.org:443:443', 'example.org:+443', 'example.org.:443', '.example.org:443', 'example..org:443', 'localhost:443', '-a.org:443', 'a-.org:443', 'a_b.org:443',
    'user@example.org:443', 'example.org:443@evil.org', '[::1]:443', '[::ffff:127.0.0.1]:443', '127.0.0.1:443', '127.1:443', '2130706433:443', '0x7f000001:443', '0x7f.1:443', '0177.0.0.1:443', '127.0.0.0x1:443', '1.1.1.1.:443', 'example.org%00:443', 'example%2eorg:443', 'example.org\t:443', ' example.org:443', 'example.org:443 ', 'exämple.org:443',
    'example。org:443', 'ｅxample.org:443', '*.example.org:443', 'http://example.org:443', 'example.org/x:443', 'example.org:443/x', 'example.org:443#', `${'a'.repeat(64)}.org:443`, `${'a.'.repeat(130)}org:443`]) expect(targetOf(text), text).toBeNull()
})
test('a list means what it says: whole names, whole labels, the port too', () => {
  const rules = [{ host: 'example.org', port: 443 }, { host: '*.data.example', port: 8443 }]
  const may = (host: string, port: number) => isListed(rules, { host, port })
  expect([may('example.org', 443), may('a.data.example', 8443), may('xn--a.data.example', 8443)]).toEqual([true, true, true])
  for (const [host, port] of [['example.org', 80], ['www.example.org', 443], ['notexample.org', 443], ['example.org.evil', 443], ['data.example', 8443], ['a.b.data.example', 8443], ['adata.example', 8443], ['a.data.example', 443], ['a.data.example.evil', 8443], ['org', 443]] as const) expect(may(host, port), host).toBe(false)
})
