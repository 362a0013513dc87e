import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { isAllowedAddress, lookupAllowed, problemOfUrl } from './address.ts'
import { secretText, sendOnce, signatureOf } from './send.ts'

const OUTSIDE = { loopback: false }, HOME = { loopback: true }
const look = (name: string, rules = OUTSIDE): Promise<string> => new Promise((resolve) => { lookupAllowed(rules)(name, { all: true }, (error) => resolve(error ? error.name : 'fine')) })

test('only public addresses: the networks around a server are nobody’s business', () => {
  const inside = ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '127.0.0.1', '127.9.9.9', '0.0.0.0', '169.254.169.254', '100.64.0.1', '100.100.100.200', '192.0.0.192', '198.18.0.1', '224.0.0.1', '255.255.255.255', '::', '::1', 'fe80::1', 'fe80::1%eth0', 'fc00::1', 'fd00:ec2::254', 'ff02::1', '::ffff:10.0.0.1', '::ffff:169.254.169.254', '::ffff:8.8.8.8', '64:ff9b::a9fe:a9fe', '2002:7f00:1::', '2001:0:4136:e378::', '2001:db8::1', '3fff::1', '168.63.129.16', '161.26.0.10', '166.9.8.7']
  for (const address of inside) expect(isAllowedAddress(address, OUTSIDE), address).toBe(false)
  for (const address of ['8.8.8.8', '1.1.1.1', '172.32.0.1', '100.128.0.1', '168.63.129.17', '161.27.0.1', '166.12.0.1', '2606:4700::1111', '2a00:1450:4001:80b::200e']) expect(isAllowedAddress(address, OUTSIDE), address).toBe(true)
  // The operator's setting opens this machine, and nothing else.
  for (const address of inside) expect(isAllowedAddress(address, HOME), address).toBe(/^127\.|^::1$/.test(address))
})
test('addresses are https, without a name in them; http is for this machine, where that is allowed at all', () => {
  for (const url of ['https://hooks.example/in?x=1', 'https://hooks.example:8443/', 'https://[2606:4700::1111]/']) expect(problemOfUrl(url, OUTSIDE), url).toBeNull()
  for (const url of ['http://hooks.example/', 'ftp://hooks.example/', 'file:///etc/passwd', 'https://user:pass@hooks.example/', 'https://hooks.example/#x', 'nonsense', 'https://10.0.0.1/', 'https://127.0.0.1/', 'https://[::1]/', 'https://localhost/', 'https://a.localhost/', 'http://127.0.0.1/',
    // Other spellings of the same addresses are made plain by the parser.
    'https://2130706433/', 'https://0x7f.1/', 'https://0177.0.0.1/', 'https://127.1/', 'https://[::ffff:127.0.0.1]/', 'https://１２７.0.0.1/', 'https://169.254.169.254/latest/meta-data/']) expect(problemOfUrl(url, OUTSIDE), url).not.toBeNull()
  for (const url of ['http://127.0.0.1:8080/', 'http://localhost/', 'http://[::1]/', 'https://127.0.0.1/']) expect(problemOfUrl(url, HOME), url).toBeNull()
  for (const url of ['http://hooks.example/', 'http://10.0.0.1/', 'https://10.0.0.1/', 'http://localhost.example/']) expect(problemOfUrl(url, HOME), url).not.toBeNull()
})
test('a name is worth what it stands for when the connection is made', async () => {
  expect(await look('localhost')).toBe('ForbiddenAddress') // by the machine's own table of names
  expect(await look('localhost', HOME)).toBe('fine')
})
test('a name that stands for this machine is not connected to, whatever it looked like when it was registered', async () => {
  let touched = 0
  const server = createServer(() => { touched++ })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => { server.close() })
  const { port } = server.address() as AddressInfo, { hostname } = await import('node:os')
  const message = { id: 'msg_1', body: '{}', secret: Buffer.alloc(32) }, options = { rules: OUTSIDE, now: 0, version: 'test' }
  for (const host of ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]']) expect(await sendOnce({ ...message, url: `https://${host}:${port}/` }, options)).toMatchObject({ status: null, problem: expect.any(String) })
  // The name of this very machine is no literal and no "localhost": only looking it up tells.
  expect((await sendOnce({ ...message, url: `https://${hostname()}:${port}/` }, options)).problem).toMatch(/not on the public internet|no such host|could not be looked up/)
  expect(touched).toBe(0)
})
test('signatures are those of the Standard Webhooks', () => {
  const secret = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64')
  expect(secretText(secret)).toBe('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')
  expect(signatureOf(secret, 'msg_p5jXN8AQM9LWM0D4loKWxJek', 1614265330, '{"test": 2432232314}')).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
})
