import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import WebSocket from 'ws'
import { RELAY_PATH, gangAddress } from '@lumaris/protocol'
import type { AttemptId, MeshPeer } from '@lumaris/protocol'
import { createChannel, makeMeshKeys, PACKET, pairKeys } from '../../apps/agent/src/mesh/cipher.ts'
import { dial, mayDial, openMeshListener } from '../../apps/agent/src/mesh/direct.ts'
import type { DirectEvents } from '../../apps/agent/src/mesh/direct.ts'
import { prepareMesh } from '../../apps/agent/src/mesh/mesh.ts'
import { openTun } from '../../apps/agent/src/mesh/tun.ts'
import { joinGang, leaveGang, needs, python, startDriver, startRank, startRelay } from './rig.ts'
import type { Driver, Rank, Rig } from './rig.ts'

/** A busy machine takes its time. */
const soon = <T>(look: () => T) => expect.poll(look, { timeout: 60_000 })
const NODE = process.execPath
const isAlive = (pid: number): boolean => { try { process.kill(pid, 0); return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.[0] !== 'Z' } catch { return false } }

/** An IPv4 packet with UDP in it. */
function udp(from: number, to: number, text: string, { port = 7100 } = {}): Buffer {
  const packet = Buffer.alloc(28 + text.length)
  packet[0] = 0x45; packet.writeUInt16BE(packet.length, 2); packet[8] = 64; packet[9] = 17
  Buffer.from(gangAddress(from).split('.').map(Number)).copy(packet, 12); Buffer.from(gangAddress(to).split('.').map(Number)).copy(packet, 16)
  let sum = 0
  for (let at = 0; at < 20; at += 2) sum += packet.readUInt16BE(at)
  packet.writeUInt16BE(~((sum & 0xffff) + (sum >>> 16)) & 0xffff, 10)
  packet.writeUInt16BE(7100, 20); packet.writeUInt16BE(port, 22); packet.writeUInt16BE(8 + text.length, 24)
  packet.write(text, 28)
  return packet
}
/** Says what comes by UDP until a line that is `end`, and what stays away after that. */
const LISTEN = `
import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('0.0.0.0', 7100)); print('up', flush=True)
while True:
  data, who = u.recvfrom(65535); print(who[0], data.decode(), flush=True)
  if data == b'end': break
`

if (needs) test.skip(`attacks on the network of a gang: ${needs}`, () => undefined)
else describe('attacks on the network of a gang', () => {
  const ready: Promise<{ driver: Driver; rig: Rig; seen: Buffer[] }> = (async () => { const seen: Buffer[] = []; return { driver: await startDriver('attacks'), rig: await startRelay({ tap: (frame) => { seen.push(Buffer.from(frame)) } }), seen } })()
  afterAll(async () => { const { driver, rig } = await ready; await rig.close(); await driver.close() })
  const gang = async (options: Parameters<typeof joinGang>[2] = {}): Promise<Rank[]> => { const { driver, rig } = await ready; const ranks = await joinGang(rig, driver.scratch, options); onTestFinished(() => leaveGang(ranks)); return ranks }
  const socketOf = async (token: string, attempt: string): Promise<WebSocket | number> => {
    const { rig } = await ready, socket = new WebSocket(`ws://127.0.0.1:${rig.port}${RELAY_PATH}${attempt}`, { headers: { authorization: `Bearer ${token}` } })
    socket.on('error', () => undefined)
    onTestFinished(() => { socket.terminate() })
    return new Promise((resolve) => { socket.on('open', () => resolve(socket)); socket.on('unexpected-response', (_, reply) => resolve(reply.statusCode ?? 0)) })
  }

  test('a job has no right to its own interface, no other kind of socket, and no descriptor of ours', async () => {
    const { driver } = await ready, [rank] = await gang({ size: 2 }) as [Rank]
    const { done } = await startRank(driver, rank, python(`
import ctypes, fcntl, os, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
print('fds', sorted(int(f) for f in os.listdir('/proc/self/fd'))[:4])
def tried(what, f):
  try: f(); print('OPEN', what, flush=True)
  except (OSError, PermissionError) as e: print('no', what, e.errno, flush=True)
def made(): os.mkfifo('/tmp/p'); os.mknod('/tmp/tun', 0o666 | 0o020000, os.makedev(10, 200)); os.open('/tmp/tun', os.O_RDWR)
tried('tun', lambda: os.open('/dev/net/tun', os.O_RDWR))
tried('mknod', made)
for name, family, kind, protocol in [('packet', 17, 3, 0), ('packet-dgram', 17, 2, 0), ('raw', 2, 3, 1), ('raw-any', 2, 3, 255), ('icmp', 2, 2, 1), ('sctp', 2, 5, 132), ('mptcp', 2, 1, 262), ('udplite', 2, 2, 136), ('inet6', 10, 1, 0), ('vsock', 40, 1, 0), ('netfilter', 16, 3, 12), ('generic', 16, 3, 16), ('audit', 16, 3, 9), ('xdp', 44, 3, 0), ('alg', 38, 5, 0)]:
  tried(name, lambda: socket.socket(family, kind, protocol))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
tried('address', lambda: fcntl.ioctl(u, 0x8916, struct.pack('16sH2s4s16x', b'mesh0', 2, b'', bytes([10, 99, 0, 2]))))
tried('mtu', lambda: fcntl.ioctl(u, 0x8922, struct.pack('16si20x', b'mesh0', 1000)))
tried('bind-as-peer', lambda: u.bind(('10.99.0.2', 7100)))
tried('transparent', lambda: u.setsockopt(0, 19, 1))
n = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0); n.bind((0, 0))
body = struct.pack('BBBBi', 2, 24, 0, 0, 2) + struct.pack('HH4s', 8, 2, bytes([10, 99, 0, 2]))
n.send(struct.pack('IHHII', 16 + len(body), 20, 0x605, 1, 0) + body)
print('netlink', struct.unpack_from('i', n.recv(4096), 16)[0])
tried('setns', lambda: (_ for _ in ()).throw(OSError(ctypes.get_errno(), '')) if libc.setns(os.open('/proc/self/ns/net', 0), 0) else None)
tried('unshare', lambda: (_ for _ in ()).throw(OSError(ctypes.get_errno(), '')) if libc.unshare(0x40000000) else None)
print([line for line in open('/proc/self/status') if line.startswith('CapEff')][0].split()[1])
print('interfaces', [name for _, name in socket.if_nameindex()])
`))
    const { out, err, end } = await done
    expect(end, err).toMatchObject({ cause: 'exit', code: 0 })
    expect(out).not.toContain('OPEN')
    expect(out.match(/^no /gm)).toHaveLength(23)
    expect(out).toContain('fds [0, 1, 2, 3]') // 3 is the directory that is read
    expect(out).toContain('netlink -1\n') // EPERM
    expect(out).toContain('0000000000000000')
    expect(out).toContain("interfaces ['lo', 'mesh0']")
  })

  test("from inside there is no way to the machine's loopback, its other addresses, its network, the relay, or a rank that does not exist", async () => {
    const { driver, rig } = await ready
    const victim = createServer((socket) => { hits++; socket.destroy() })
    let hits = 0
    victim.listen(0, '0.0.0.0')
    await once(victim, 'listening')
    onTestFinished(() => { victim.close() })
    const { port } = victim.address() as AddressInfo
    const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []).filter((one) => one.family === 'IPv4').map((one) => one.address)
    const [rank] = await gang({ size: 2 }) as [Rank]
    const { done } = await startRank(driver, rank, python(`
import socket
own = ${JSON.stringify([...new Set([...own, '127.0.0.1', '10.99.0.1', '10.99.0.2', '10.99.0.3', '10.99.0.254', '10.99.0.255', '0.0.0.0'])]) as string}
lan = [a.rsplit('.', 1)[0] + '.1' for a in own if not a.startswith('127.')] + ['169.254.169.254', '192.0.2.1', '10.0.0.1', '224.0.0.1', '255.255.255.255']
for host in own + lan:
  for port in (${port}, ${rig.port}):
    try: socket.create_connection((host, port), 0.3).close(); print('REACHED', host, port, flush=True)
    except OSError as e: print('no', host, port, e.errno, flush=True)
print('done')
`))
    const { out, end } = await done
    expect(end).toMatchObject({ cause: 'exit', code: 0 })
    expect(out).toContain('done')
    expect(out).not.toContain('REACHED')
    expect(hits).toBe(0)
    // To addresses that are no rank's, something was sent; it went nowhere.
    expect(rank.mesh.stats()).toMatchObject({ packetsIn: 0 })
    expect(rank.mesh.stats().stray).toBeGreaterThan(0)
  })

  test('a member that lies: packets in the name of another rank, to another address, changed or sent twice do not come through; the relay could not read one', async () => {
    const { driver, rig, seen } = await ready
    // Ranks 0 and 1 are ours; rank 2 is an agent of somebody who wrote his own.
    const job = `job-${Math.random()}`, seats = [0, 1, 2].map((rank) => rig.seat(job, rank)) as [ReturnType<Rig['seat']>, ReturnType<Rig['seat']>, ReturnType<Rig['seat']>]
    const keys = makeMeshKeys()
    const honest = seats.slice(0, 2).map((seat) => prepareMesh({ attemptId: seat.attempt, server: rig.url, token: () => seat.token, listener: null, scratch: join(driver.scratch, 'mesh') }))
    const peers: MeshPeer[] = [...honest.map((one, rank) => ({ rank, attempt_id: (seats[rank] as { attempt: AttemptId }).attempt, ...one.offer })), { rank: 2, attempt_id: seats[2].attempt, public_key: keys.publicKey, addresses: [] }]
    const ranks = honest.map((prepared, rank): Rank => ({ ...(seats[rank] as ReturnType<Rig['seat']>), rank, prepared, peers, listener: null, mesh: prepared.join({ rank, size: 3 }, peers) }))
    onTestFinished(async () => { for (const one of honest) await one.close() })
    const listener = await startRank(driver, ranks[0] as Rank, python(LISTEN))
    await soon(listener.out).toContain('up')
    const liar = await socketOf(seats[2].token, seats[2].attempt) as WebSocket, channel = createChannel(pairKeys({ rank: 2, attemptId: seats[2].attempt, keys }, peers[0] as MeshPeer))
    const seal = (packet: Buffer): Buffer => Buffer.concat([Buffer.of(0), ...channel.seal(PACKET, packet)])
    const stats = () => (ranks[0] as Rank).mesh.stats()
    const once_ = seal(udp(2, 0, 'honest'))
    liar.send(once_)
    await soon(listener.out).toContain('10.99.0.3 honest')
    liar.send(once_) // again
    await soon(() => stats().forged).toBe(1)
    const changed = seal(udp(2, 0, 'changed')); changed[40] = (changed[40] as number) ^ 1
    liar.send(changed)
    await soon(() => stats().forged).toBe(2)
    liar.send(seal(udp(1, 0, 'in the name of rank 1')))
    await soon(() => stats().foreign).toBe(1)
    liar.send(seal(udp(2, 1, 'to another rank'))); liar.send(seal(Buffer.concat([udp(2, 0, 'longer than it says'), Buffer.alloc(9)]))); liar.send(seal(Buffer.from('6'.repeat(60)))); liar.send(seal(Buffer.alloc(3)))
    const outside = udp(2, 0, 'from outside'); outside[12] = 192
    liar.send(seal(outside))
    await soon(() => stats().foreign).toBe(6)
    // What the liar recorded of others: nothing comes to him. What he makes with the key of the wrong pair:
    const wrong = createChannel(pairKeys({ rank: 2, attemptId: seats[2].attempt, keys }, peers[1] as MeshPeer))
    liar.send(Buffer.concat([Buffer.of(0), ...wrong.seal(PACKET, udp(2, 0, 'wrong pair'))]))
    await soon(() => stats().forged).toBe(3)
    liar.send(seal(udp(2, 0, 'end')))
    expect((await listener.done).out.trim().split('\n')).toEqual(['up', '10.99.0.3 honest', '10.99.0.3 end'])
    expect(seen.length).toBeGreaterThan(5)
    for (const text of ['honest', 'in the name', gangAddress(2)]) expect(seen.some((frame) => frame.includes(text))).toBe(false)
    // Not by the byte order of an address either: the heads of the packets are sealed with them.
    expect(seen.some((frame) => frame.includes(Buffer.from([10, 99, 0, 3, 10, 99, 0, 1])))).toBe(false)
  })

  test('with a stolen id nobody gets in: not at the relay, not at the port, not a member of another gang', async () => {
    const { rig } = await ready
    const ranks = await gang({ size: 2, direct: true }) as [Rank, Rank], others = await gang({ size: 2, direct: true }) as [Rank, Rank]
    await soon(() => ranks[0].mesh.stats().peers[0]?.way).toBe('direct')
    expect(await socketOf('stolen-token', ranks[0].attempt)).toBe(401)
    expect(await socketOf(others[0].token, ranks[0].attempt)).toBe(403)
    // At the port, both ids right, the key one's own.
    const keys = makeMeshKeys(), address = ranks[0].listener?.addresses[0] as { host: string; port: number }
    const events: DirectEvents = { onSealed: () => true, onOpen: () => { throw new Error('it opened') }, onClose: () => undefined }
    const stolen = pairKeys({ rank: 1, attemptId: ranks[1].attempt, keys }, ranks[0].peers[0] as MeshPeer)
    expect(await dial({ address, from: ranks[1].attempt, to: ranks[0].attempt, keys: stolen, events }, AbortSignal.timeout(5_000))).toBe(false)
    const foreignKeys = pairKeys({ rank: 0, attemptId: others[0].attempt, keys }, ranks[0].peers[0] as MeshPeer)
    expect(await dial({ address, from: others[0].attempt, to: ranks[0].attempt, keys: foreignKeys, events }, AbortSignal.timeout(5_000))).toBe(false)
    expect(ranks[0].listener?.refused).toBe(2)
    // A rank of the other gang sends to rank 0: it is its own rank 0 that hears it.
    const socket = await socketOf(others[1].token, others[1].attempt) as WebSocket
    socket.send(Buffer.from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]))
    await soon(() => others[0].mesh.stats().forged).toBe(1)
    expect(ranks[0].mesh.stats().forged).toBe(0)
    expect(rig.relay.stats().connections).toBeGreaterThan(0)
  })

  test('who dials a port that is something else has told it nothing; and nobody dials this machine or a metadata service for a stranger', async () => {
    let heard = 0
    const other = createServer((socket) => { socket.on('error', () => undefined); socket.on('data', (chunk) => { heard += chunk.length }); socket.write('SSH-2.0-something else that is long enough to be a hello of another kind\r\n') })
    other.listen(0, '127.0.0.1')
    await once(other, 'listening')
    onTestFinished(() => { other.close() })
    const a = makeMeshKeys(), keys = pairKeys({ rank: 0, attemptId: 'att_a', keys: a }, { rank: 1, attempt_id: 'att_b' as AttemptId, public_key: makeMeshKeys().publicKey, addresses: [] })
    expect(await dial({ address: { host: '127.0.0.1', port: (other.address() as AddressInfo).port }, from: 'att_a', to: 'att_b', keys, events: { onSealed: () => true, onOpen: () => undefined, onClose: () => undefined } }, AbortSignal.timeout(5_000))).toBe(false)
    expect(heard).toBe(0)
    for (const host of ['127.0.0.1', '127.8.9.1', '0.0.0.0', '169.254.169.254', '224.0.0.1', '255.255.255.255', '::1', '::', 'fe80::1', '::ffff:127.0.0.1', '::ffff:169.254.169.254', 'fd00:ec2::254', 'localhost', 'metadata.google.internal', '127.1', '']) expect(mayDial(host), host).toBe(false)
    for (const host of ['192.168.1.20', '10.0.0.4', '203.0.113.7', '2001:db8::1', 'fd12::1']) expect(mayDial(host), host).toBe(true)
  })

  test('a straight way that breaks is left for the relay, and nothing that the kernel sends again is lost', async () => {
    const { driver } = await ready
    const ranks = await gang({ size: 2, direct: true }) as [Rank, Rank]
    await soon(() => ranks.every((one) => one.mesh.stats().peers[0]?.way === 'direct')).toBe(true)
    const listener = await startRank(driver, ranks[0], python(`
import socket
t = socket.socket(); t.bind(('0.0.0.0', 7000)); t.listen(); print('up', flush=True); c, _ = t.accept()
while True:
  line = c.recv(100)
  if not line: break
  print(line.decode(), flush=True); c.sendall(line)
`))
    await soon(listener.out).toContain('up')
    const caller = await startRank(driver, ranks[1], python(`
import socket, time
c = socket.create_connection(('rank-0', 7000), 5); c.settimeout(30)
for i in range(400):
  c.sendall(b'%d' % i)
  if c.recv(100) != b'%d' % i: raise SystemExit('wrong')
  if i == 50: print('going', flush=True)
  time.sleep(0.005)
`))
    await soon(caller.out).toContain('going')
    for (const one of ranks) await one.listener?.close()
    expect((await caller.done).end).toMatchObject({ cause: 'exit', code: 0 })
    expect((await listener.done).out.trim().split('\n')).toHaveLength(401)
    const [peer] = ranks[1].mesh.stats().peers
    expect(peer?.way).toBe('relay')
    expect(peer?.packetsDirect).toBeGreaterThan(50)
    expect(peer?.packetsRelayed).toBeGreaterThan(100)
  })

  test('the port keeps nobody for long who proves nothing, and not more than a few of one address', async () => {
    const listener = await openMeshListener({ host: '127.0.0.1', port: 0 })
    onTestFinished(() => listener.close())
    const { connect } = await import('node:net')
    const [address] = listener.addresses as [{ host: string; port: number }]
    const sockets = Array.from({ length: 30 }, () => connect(address.port, address.host))
    const closed: number[] = []
    sockets.forEach((socket, i) => { socket.on('error', () => undefined); socket.resume(); socket.on('close', () => closed.push(i)) })
    await soon(() => closed.length).toBeGreaterThanOrEqual(14)
    await soon(() => closed.length).toBe(30)
    expect(listener.refused).toBe(16)
  })

  test('kill -9 of the helper: the link is gone, its owner is told, and nothing is left', async () => {
    const { driver, rig } = await ready
    const lost: string[] = []
    const ranks = await joinGang(rig, driver.scratch, { size: 2, onLost: (why) => lost.push(why) })
    const running = await startRank(driver, ranks[0] as Rank, python(`
import socket, time
print('has', [n for _, n in socket.if_nameindex()], flush=True)
while 'mesh0' in [n for _, n in socket.if_nameindex()]: time.sleep(0.02)
print('has', [n for _, n in socket.if_nameindex()], flush=True)
`))
    await soon(running.out).toContain("has ['lo', 'mesh0']")
    const helper = ranks[0]?.mesh.helperPid as number
    // It has no right any more, and is not root.
    const status = (): string => readFileSync(`/proc/${helper}/status`, 'utf8')
    await soon(status).toMatch(/^Uid:\s+65534\s+65534/m) // the program may see the link a moment before
    expect(status()).toMatch(/^CapEff:\s+0+$/m)
    process.kill(helper, 'SIGKILL')
    expect((await running.done).out).toContain("has ['lo']\n")
    await soon(() => lost).toEqual(['it ended (SIGKILL)'])
    await expect((ranks[0] as Rank).mesh.attach(1)).rejects.toThrow('has its sandbox already')
    await leaveGang(ranks)
    expect(isAlive(helper)).toBe(false)
    await soon(() => rig.relay.stats().connections).toBe(0)
  })

  test('kill -9 of the agent: its helper goes with it, and so does the interface', async () => {
    const { driver } = await ready
    const holder = spawn('unshare', ['--net', 'sleep', '300'], { stdio: 'ignore' })
    onTestFinished(() => { holder.kill('SIGKILL') })
    const own = readFileSync('/proc/self/net/dev', 'utf8')
    await soon(() => { try { return readFileSync(`/proc/${holder.pid}/net/dev`, 'utf8') !== own && readFileSync(`/proc/${holder.pid}/cmdline`, 'utf8').startsWith('sleep') } catch { return false } }).toBe(true)
    const script = `import { openTun } from ${JSON.stringify(join(import.meta.dirname, '../../apps/agent/src/mesh/tun.ts'))}
const tun = await openTun({ pid: ${holder.pid}, address: '10.99.0.1', mtu: 9000, scratch: ${JSON.stringify(join(driver.scratch, 'mesh'))}, onPacket() {}, onLost() {} })
console.log(tun.pid); setInterval(() => {}, 1000)`
    const agent = spawn(NODE, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = await once(agent.stdout, 'data') as [Buffer]
    const helper = Number(String(line))
    expect(readFileSync(`/proc/${holder.pid}/net/dev`, 'utf8')).toContain('mesh0')
    agent.kill('SIGKILL')
    await soon(() => isAlive(helper)).toBe(false)
    await soon(() => readFileSync(`/proc/${holder.pid}/net/dev`, 'utf8')).not.toContain('mesh0')
  })

  test("the machine's own network namespace gets no interface, and a sandbox whose network cannot be made never starts its program", async () => {
    const { driver } = await ready
    const options = { address: '10.99.0.1', mtu: 9000, scratch: join(driver.scratch, 'mesh'), onPacket: () => undefined, onLost: () => undefined }
    await expect(openTun({ ...options, pid: process.pid })).rejects.toThrow('no network namespace of its own')
    const [rank] = await gang({ size: 2, tunDevice: '/no/such/device' }) as [Rank]
    const { done } = await startRank(driver, rank, ['/bin/echo', 'started'])
    const { end, out } = await done
    expect(end).toMatchObject({ cause: 'driver', detail: 'the interface could not be made: open /no/such/device: errno 2' })
    expect(out).toBe('')
    expect(existsSync('/sys/class/net/mesh0')).toBe(false)
  })

  test('an agent that is not root owns the namespaces of its sandboxes, and makes the interface as their owner', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'lumaris-owner-')), device = join(dir, 'tun')
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    execFileSync('mknod', ['-m', '666', device, 'c', '10', '200'])
    execFileSync('chown', ['61177:61177', dir])
    const agent = spawn('setpriv', ['--reuid=61177', '--regid=61177', '--clear-groups', '--no-new-privs', NODE, join(import.meta.dirname, 'as-owner.ts'), dir, device], { env: { PATH: '/usr/bin:/bin', TMPDIR: dir }, stdio: ['ignore', 'pipe', 'pipe'] })
    let out = '', err = ''
    agent.stdout.on('data', (chunk: Buffer) => { out += String(chunk) }); agent.stderr.on('data', (chunk: Buffer) => { err += String(chunk) })
    const [code] = await once(agent, 'close') as [number]
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain("['lo', 'mesh0'] 10.99.0.1")
    expect(out).toContain('packet 10.99.0.1 10.99.0.2')
    expect(out).toMatch(/helper uid 61177 caps 0+\n/)
  })
})
