// Jobs that try to get further than the hosts they named, behind each wall that gives a way out. The internet is one port of loopback that the proxy
// is told of by this test; everything else of loopback belongs to the seller.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { existsSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { EGRESS_PORT } from '@lumaris/protocol'
import { createDenoDriver } from '../../apps/agent/src/drivers/deno.ts'
import { NO_EGRESS } from '../../apps/agent/src/drivers/driver.ts'
import type { IsolationDriver } from '../../apps/agent/src/drivers/driver.ts'
import { createStages } from '../../apps/agent/src/drivers/stage.ts'
import { openDoor } from '../../apps/agent/src/egress/door.ts'
import { TUN_DEVICE, openTun } from '../../apps/agent/src/mesh/tun.ts'
import type { Tun } from '../../apps/agent/src/mesh/tun.ts'
import { NEEDS, configOf, lacks, start, startHost, startRig, startVictim } from './rig.ts'
import type { EgressDriver, Host, Rig } from './rig.ts'

/** `socks`: by SOCKS5, as host, port and kind of address. */
type Plan = { straight: [string, number][]; connects: string[]; gets: string[]; socks: [host: string, port: number, kind?: number][] }
/** What a program of the job says it saw: of each try, how far it came. */
type Seen = { straight: Record<string, string>; connects: Record<string, number>; /** What was answered to each, in their order; -1: nothing. */ socks: number[]; gets: Record<string, string>; kinds?: Record<string, string>; env: Record<string, string> }

const PYTHON = (plan: Plan): string[] => ['/usr/bin/python3', '-c', `
import json, os, socket, urllib.request
plan = json.loads(${JSON.stringify(JSON.stringify(plan))})
seen = {'straight': {}, 'connects': {}, 'socks': [], 'gets': {}, 'kinds': {}, 'env': {k: v for k, v in os.environ.items() if k.upper().endswith('_PROXY')}}
for host, port in plan['straight']:
  try:
    s = socket.create_connection((host, port), 1); seen['straight'][host + ' ' + str(port)] = 'REACHED'
  except OSError as e: seen['straight'][host + ' ' + str(port)] = 'no'
  try:
    u = socket.socket(socket.AF_INET6 if ':' in host else socket.AF_INET, socket.SOCK_DGRAM); u.settimeout(0.2); u.sendto(b'x', (host, port)); u.recv(1); seen['straight'][host + ' ' + str(port)] = 'REACHED'
  except OSError as e: pass
for to in plan['connects']:
  s = socket.create_connection(('127.0.0.1', ${EGRESS_PORT}), 5); s.settimeout(10); s.sendall(('CONNECT ' + to + ' HTTP/1.1\\r\\nHost: ' + to + '\\r\\n\\r\\n').encode())
  said = s.recv(4096).decode('latin1'); seen['connects'][to] = int((said.split(' ') + ['0'])[1])
for host, port, *kind in plan['socks']:
  s = socket.create_connection(('127.0.0.1', ${EGRESS_PORT}), 5); s.settimeout(10); name = host.encode('latin1')
  s.sendall(bytes([5, 1, 0]) + bytes([5, 1, 0]) + (bytes([1]) + socket.inet_aton(host) if kind else bytes([3, len(name)]) + name) + port.to_bytes(2, 'big'))
  said = b''
  try:
    while len(said) < 4:
      part = s.recv(64)
      if not part: break
      said += part
  except OSError: pass
  seen['socks'].append(said[3] if len(said) > 3 else -1)
for url in plan['gets']:
  try: seen['gets'][url] = urllib.request.urlopen(url, timeout=10).read().decode()
  except Exception as e: seen['gets'][url] = str(getattr(e, 'code', type(e).__name__))
for name, family, kind, protocol in [('packet', 17, 3, 0), ('raw', 2, 3, 1), ('raw-any', 2, 3, 255), ('icmp', 2, 2, 1), ('sctp', 2, 5, 132), ('udplite', 2, 2, 136), ('vsock', 40, 1, 0), ('generic', 16, 3, 16), ('netfilter', 16, 3, 12), ('alg', 38, 5, 0), ('xdp', 44, 3, 0), ('odd', 99, 1, 0)]:
  try: socket.socket(family, kind, protocol); seen['kinds'][name] = 'OPEN'
  except OSError as e: seen['kinds'][name] = 'no'
print(json.dumps(seen))
`]
const JAVASCRIPT = (plan: Plan): string => `
import { createConnection } from 'node:net'
const plan = ${JSON.stringify(plan)}, seen = { straight: {}, connects: {}, socks: [], gets: {}, env: {} }
for (const name of ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY']) seen.env[name] = Deno.env.get(name)
process.on('uncaughtException', () => {})
const say = (host, port, words) => new Promise((done) => { let said = ''; try { const s = createConnection({ host, port }); s.setTimeout(10000, () => s.destroy()); s.on('connect', () => { if (words === null) { s.destroy(); done('REACHED') } else s.write(words) }).on('data', (b) => { said += b; s.destroy(); done(said) }).on('error', () => done('no')).on('close', () => done(said || 'no')) } catch { done('no') } })
for (const [host, port] of plan.straight) {
  let how = await say(host, port, null)
  try { (await Deno.connect({ hostname: host, port })).close(); how = 'REACHED' } catch {}
  try { await (await fetch('http://' + (host.includes(':') ? '[' + host + ']' : host) + ':' + port, { signal: AbortSignal.timeout(2000), client: Deno.createHttpClient?.({ proxy: undefined }) })).text(); how = 'REACHED' } catch {}
  seen.straight[host + ' ' + port] = how
}
for (const to of plan.connects) seen.connects[to] = Number((await say('127.0.0.1', ${EGRESS_PORT}, 'CONNECT ' + to + ' HTTP/1.1\\r\\nHost: ' + to + '\\r\\n\\r\\n')).split(' ')[1] ?? 0)
const socks = (host, port, kind) => new Promise((done) => { let said = Buffer.alloc(0); const s = createConnection({ host: '127.0.0.1', port: ${EGRESS_PORT} }); s.setTimeout(10000, () => s.destroy())
  const to = kind ? [1, ...host.split('.').map(Number)] : [3, host.length, ...Buffer.from(host, 'latin1')]
  s.on('connect', () => s.write(Buffer.from([5, 1, 0, 5, 1, 0, ...to, port >> 8, port & 255]))).on('data', (b) => { said = Buffer.concat([said, b]); if (said.length > 3) { done(said[3]); s.destroy() } }).on('error', () => done(-1)).on('close', () => done(-1)) })
for (const [host, port, kind] of plan.socks) seen.socks.push(await socks(host, port, kind))
for (const url of plan.gets) { try { const got = await fetch(url, { signal: AbortSignal.timeout(10000) }); seen.gets[url] = got.ok ? await got.text() : String(got.status) } catch (error) { seen.gets[url] = error.name } }
console.log(JSON.stringify(seen))
`
const isIn = (name: string): number => readdirSync('/proc/self/fd').filter((fd) => { try { return readlinkSync(`/proc/self/fd/${fd}`).startsWith(name) } catch { return false /* it was the listing itself */ } }).length
const processesIn = (netns: string): string[] => readdirSync('/proc').filter((pid) => /^\d+$/.test(pid)).filter((pid) => { try { return readlinkSync(`/proc/${pid}/ns/net`) === netns } catch { return false /* gone */ } })
const mountsOf = (owner: string): string[] => readFileSync('/proc/self/mounts', 'utf8').split('\n').filter((line) => line.includes(owner))

if (lacks) test.skip(`egress: ${lacks}`, () => undefined)
else for (const id of Object.keys(NEEDS) as EgressDriver[]) {
  if (NEEDS[id]) { test.skip(`egress by ${id}: ${NEEDS[id]}`, () => undefined); continue }
  describe(`egress by ${id}`, () => {
    let rig: Rig, host: Host, victims: Host[]
    beforeAll(async () => {
      rig = await startRig(id)
      host = await startHost('hello from outside')
      victims = (await Promise.all(['127.0.0.1', '::1', '0.0.0.0'].map(startVictim))).filter((one) => one !== null)
    }, 120_000)
    afterAll(async () => { for (const one of [host, ...victims]) await one.close(); await rig.close() }, 60_000)
    const hits = () => victims.reduce((sum, one) => sum + one.hits(), 0)
    const program = (plan: Plan): [string[], Record<string, string>] => (id === 'deno' ? [['main.mjs'], { 'main.mjs': JAVASCRIPT(plan) }] : [PYTHON(plan), {}])
    async function attack(plan: Partial<Plan>, options: Omit<NonNullable<Parameters<typeof start>[2]>, 'files'> = {}): Promise<Seen> {
      const [command, files] = program({ straight: [], connects: [], socks: [], gets: [], ...plan })
      const { out, err, end } = await (await start(rig, command, { files, ...options })).done
      expect(end, err).toMatchObject({ cause: 'exit', code: 0 })
      return JSON.parse(out) as Seen
    }

    test('a job reaches the host that it named, by the variables that programs know, and its bytes are counted', { timeout: 300_000 }, async () => {
      const before = host.hits(), url = `http://ok.example:${host.port}/`, [command, files] = program({ straight: [], connects: [`ok.example:${host.port}`, `OK.example:${host.port}`], socks: [['ok.example', host.port]], gets: [url] })
      const { done, egress } = await start(rig, command, { files, rules: [{ host: 'ok.example', port: host.port }], config: configOf({ 'ok.example': ['127.0.0.1'] }, host.port) })
      const { out, err } = await done, seen = JSON.parse(out || '{}') as Seen
      expect(seen.gets, err).toEqual({ [url]: 'hello from outside' })
      expect(Object.values(seen.connects)).toEqual([200, 200])
      expect(seen.socks).toEqual([0])
      expect(seen.env).toMatchObject({ HTTP_PROXY: `http://127.0.0.1:${EGRESS_PORT}`, HTTPS_PROXY: `http://127.0.0.1:${EGRESS_PORT}`, ALL_PROXY: `socks5h://127.0.0.1:${EGRESS_PORT}`, NO_PROXY: 'localhost,127.0.0.1,::1' })
      expect(host.hits() - before).toBe(1)
      expect(egress?.meter()).toMatchObject({ connections: 4, refused: 0 })
      expect(egress?.meter().inBytes).toBeGreaterThan('hello from outside'.length)
      expect(egress?.meter().outBytes).toBeGreaterThan('GET / HTTP/1.1'.length)
    })

    test('past the proxy there is nothing: not the seller’s loopback, not his addresses or his network, no metadata, no other kind of socket', { timeout: 300_000 }, async () => {
      const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []).filter((one) => one.family === 'IPv4' && !one.internal).map((one) => one.address)
      const places = ['127.0.0.1', '127.0.0.2', '::1', '0.0.0.0', ...own, ...own.map((one) => `${one.split('.').slice(0, 3).join('.')}.1`), '169.254.169.254', '10.0.0.1', '192.0.2.1']
      const seen = await attack({ straight: places.flatMap((place) => [...victims, host].map(({ port }): [string, number] => [place, port])) }, { rules: [{ host: 'ok.example', port: host.port }], config: configOf({ 'ok.example': ['127.0.0.1'] }, host.port) })
      expect(new Set(Object.values(seen.straight))).toEqual(new Set(['no']))
      expect(Object.entries(seen.kinds ?? {}).filter(([, how]) => how !== 'no')).toEqual([])
      expect(hits()).toBe(0)
    })

    test('by the proxy there is only what was named: other names and ports, addresses in every notation, names that lead inside', { timeout: 300_000 }, async () => {
      const victim = victims[0] as Host, names: Record<string, string[]> = { 'ok.example': ['127.0.0.1'], 'loop.example': ['127.0.0.1'], 'loop6.example': ['::1'], 'lan.example': ['10.0.0.1', '192.168.0.1'], 'meta.example': ['169.254.169.254'], 'meta6.example': ['fd00:ec2::254'], 'mapped.example': ['::ffff:127.0.0.1'], 'nat64.example': ['64:ff9b::7f00:1'] }
      const rules = [...Object.keys(names).map((name) => ({ host: name, port: victim.port })), { host: 'ok.example', port: host.port }, { host: 'meta.example', port: 80 }], before = host.hits()
      const inside = Object.keys(names).map((name) => `${name}:${victim.port}`), spelled = ['127.0.0.1', '[::1]', '2130706433', '0x7f000001', '0177.0.0.1', '127.1', 'localhost', 'user@ok.example', 'ok.example.', 'sub.ok.example', 'other.example'].flatMap((name) => [`${name}:${victim.port}`, `${name}:${host.port}`])
      const urls = ['meta.example:80', `loop.example:${victim.port}`, `127.0.0.2:${victim.port}`, `other.example:${host.port}`].map((to) => `http://${to}/latest/meta-data/`)
      const ways = [...inside, ...spelled].filter((to) => !to.startsWith('[')).map((to): [string, number] => [to.split(':')[0] as string, Number(to.split(':')[1])]), byNumber: [string, number, number] = ['127.0.0.1', host.port, 1]
      const seen = await attack({ connects: [...inside, ...spelled], socks: [...ways, byNumber], gets: urls }, { rules, config: configOf(names, host.port) })
      expect(inside.map((to) => seen.connects[to])).toEqual(inside.map(() => 502))
      expect(spelled.map((to) => [to, [400, 403].includes(seen.connects[to] as number)])).toEqual(spelled.map((to) => [to, true]))
      expect(seen.socks).toEqual([...ways.map((_way, i) => (i < inside.length ? 4 : 2)), 8])
      // A client may refuse by itself what the proxy would refuse.
      for (const url of urls) expect(seen.gets[url], url).toMatch(/^(502|403|\w*Error|NotCapable)$/)
      expect({ hits: hits(), host: host.hits() - before }).toEqual({ hits: 0, host: 0 })
    })

    test('one attempt has nothing of another’s: neither its list nor its proxy; without a list of its own there is none, and none outside', { timeout: 300_000 }, async () => {
      const config = configOf({ 'a.example': ['127.0.0.1'], 'b.example': ['127.0.0.1'] }, host.port), plan = { connects: [`a.example:${host.port}`, `b.example:${host.port}`] }
      const [one, two] = await Promise.all(['a.example', 'b.example'].map((name) => attack(plan, { rules: [{ host: name, port: host.port }], config })))
      expect([Object.values(one?.connects ?? {}), Object.values(two?.connects ?? {})]).toEqual([[200, 403], [403, 200]])
      const [command, files] = id === 'deno' ? [['main.mjs'], { 'main.mjs': 'console.log("up"); await new Promise((r) => setTimeout(r, 60000))' }] : [['/usr/bin/python3', '-c', 'import time; print("up", flush=True); time.sleep(60)'], {}]
      const held = await start(rig, command, { files, rules: [{ host: 'a.example', port: host.port }], config })
      await expect.poll(held.out, { timeout: 60_000 }).toContain('up')
      const none = await attack({ straight: [['127.0.0.1', EGRESS_PORT]] })
      expect(none.straight).toEqual({ [`127.0.0.1 ${EGRESS_PORT}`]: 'no' })
      // From the machine itself it cannot be seen either.
      expect(await new Promise((resolve) => { connect(EGRESS_PORT, '127.0.0.1').on('connect', () => resolve('open')).on('error', (error: NodeJS.ErrnoException) => resolve(error.code)) })).toBe('ECONNREFUSED')
      await held.sandbox.kill('seen')
      await held.done
    })

    test('connections without end, and one that says nothing, stay in their bounds', { timeout: 300_000 }, async () => {
      const flood = id === 'deno' ? ['main.mjs'] : ['/usr/bin/python3', '-c', `
import socket
alive = []
for _ in range(120):
  s = socket.create_connection(('127.0.0.1', ${EGRESS_PORT}), 10); s.settimeout(10)
  try:
    s.sendall(b'CONNECT ok.example:${host.port} HTTP/1.1\\r\\n\\r\\n')
    if s.recv(100): alive.append(s)
  except OSError: pass
print(len(alive), flush=True)
silent = socket.create_connection(('127.0.0.1', ${EGRESS_PORT}), 10); silent.settimeout(10)
try: print('said', silent.recv(10))
except ConnectionResetError: print("said b''")
`]
      const files = { 'main.mjs': `
const alive = [], open = () => Deno.connect({ hostname: '127.0.0.1', port: ${EGRESS_PORT} })
for (let i = 0; i < 120; i++) { try { const s = await open(); await s.write(new TextEncoder().encode('CONNECT ok.example:${host.port} HTTP/1.1\\r\\n\\r\\n')); if (await s.read(new Uint8Array(100))) alive.push(s) } catch {} }
console.log(alive.length)
try { console.log('said', await (await open()).read(new Uint8Array(10)) ?? "b''") } catch { console.log("said b''") }` }
      const { done, egress } = await start(rig, flood, { files, rules: [{ host: 'ok.example', port: host.port }], config: { ...configOf({ 'ok.example': ['127.0.0.1'] }, host.port), limits: { connections: 16, headMs: 500 } } })
      const { out, err } = await done
      expect(out.trim().split('\n'), err).toEqual(['16', "said b''"])
      expect(egress?.meter()).toMatchObject({ connections: 16, refused: 105 })
    })

    if (id === 'deno') test('Python has it too, by the requests of its runtime', { timeout: 300_000 }, async () => {
      const main = `import asyncio, pyodide.http
async def main():
  for to in ('ok.example', 'other.example', '127.0.0.1'):
    try: print((await (await pyodide.http.pyfetch(f'http://{to}:${host.port}/')).string()))
    except Exception as e: print(type(e).__name__)
asyncio.run(main())`
      const { out, err } = await (await start({ ...rig, runtime: 'python' }, ['main.py'], { files: { 'main.py': main }, rules: [{ host: 'ok.example', port: host.port }], config: configOf({ 'ok.example': ['127.0.0.1'] }, host.port) })).done
      expect(out.trim().split('\n'), err).toEqual(['hello from outside', 'AbortError', 'AbortError'])
    })
    if (id === 'bwrap' && existsSync(TUN_DEVICE)) test('a rank of a gang has both: its private network, and a way out that the other ranks do not get', { timeout: 300_000 }, async () => {
      let tun: Tun | null = null
      const packets: Buffer[] = []
      // A neighbour asks for the door at this rank's address; what comes back is no "yes" (SYN and ACK).
      const syn = Buffer.from(`450000280000400040060000${'0a630002'}${'0a630001'}1f90${EGRESS_PORT.toString(16).padStart(4, '0')}000000010000000050021000` + '00000000', 'hex')
      const sum = (bytes: Buffer): number => { let total = 0; for (let at = 0; at < bytes.length; at += 2) total += bytes.readUInt16BE(at); while (total > 0xffff) total = (total & 0xffff) + (total >>> 16); return ~total & 0xffff }
      syn.writeUInt16BE(sum(syn.subarray(0, 20)), 10)
      const pseudo = Buffer.concat([syn.subarray(12, 20), Buffer.from([0, 6, 0, 20]), syn.subarray(20)])
      syn.writeUInt16BE(sum(pseudo), 36)
      const script = `
import socket, sys, time, urllib.request
print([n for _, n in socket.if_nameindex()], urllib.request.urlopen('http://ok.example:${host.port}/').read().decode(), flush=True)
time.sleep(1)`
      const held = await start(rig, ['/usr/bin/python3', '-c', script], {
        rules: [{ host: 'ok.example', port: host.port }], config: configOf({ 'ok.example': ['127.0.0.1'] }, host.port),
        network: { async attach(pid) { tun = await openTun({ pid, address: '10.99.0.1', mtu: 1500, scratch: `/tmp/lumaris-${rig.owner}/mesh`, onPacket: (packet) => { packets.push(packet) }, onLost: () => undefined }) } },
      })
      await expect.poll(held.out, { timeout: 60_000 }).toBe("['lo', 'mesh0'] hello from outside\n")
      ;(tun as unknown as Tun).write(syn)
      const answers = () => packets.filter((packet) => packet[9] === 6 && packet.readUInt16BE(20) === EGRESS_PORT).map((packet) => packet[33])
      await expect.poll(answers).toEqual([0x14]) // RST and ACK: nobody listens there
      await held.done
      await (tun as unknown as Tun).close()
    })
    test('when the way out cannot be made, the program never runs, and the buyer is not to blame', { timeout: 300_000 }, async () => {
      const [command, files] = id === 'deno' ? [['main.mjs'], { 'main.mjs': 'console.log("ran")' }] : [['/usr/bin/python3', '-c', 'print("ran")'], {}]
      const { out, end } = await (await start(rig, command, { files, door: { rules: [{ host: 'ok.example', port: 443 }], attach: async () => { throw new Error('no door today') } } })).done
      expect(end).toMatchObject({ cause: 'driver', detail: expect.stringContaining('no door today') })
      expect(out).toBe('')
    })

    test('nothing stays: no process, no listener, no namespace, no mount, also when it is ended in the middle of a transfer', { timeout: 300_000 }, async () => {
      const config = configOf({ 'ok.example': ['127.0.0.1'] }, host.port), rules = [{ host: 'ok.example', port: host.port }]
      await attack({ connects: [`ok.example:${host.port}`] }, { rules, config })
      const before = { sockets: isIn('socket:'), mounts: mountsOf(rig.owner) }
      const [command, files] = id === 'deno' ? [['main.mjs'], { 'main.mjs': `const s = await Deno.connect({ hostname: '127.0.0.1', port: ${EGRESS_PORT} }); await s.write(new TextEncoder().encode('CONNECT ok.example:${host.port} HTTP/1.1\\r\\n\\r\\n')); await s.read(new Uint8Array(100)); console.log('up'); await s.read(new Uint8Array(1))` }]
        : [['/usr/bin/python3', '-c', `
import socket
s = socket.create_connection(('127.0.0.1', ${EGRESS_PORT})); s.sendall(b'CONNECT ok.example:${host.port} HTTP/1.1\\r\\n\\r\\n'); s.recv(100); print('up', flush=True); s.recv(1)`], {}]
      const held = await start(rig, command, { files, rules, config })
      await expect.poll(held.out, { timeout: 60_000 }).toContain('up')
      expect(isIn('socket:')).toBeGreaterThan(before.sockets)
      expect(processesIn(held.netns()).length).toBeGreaterThan(0)
      expect(processesIn(held.netns())).not.toContain(String(process.pid))
      await held.sandbox.kill('in the middle')
      expect((await held.done).end).toMatchObject({ cause: 'killed' })
      await expect.poll(() => isIn('socket:')).toBeLessThanOrEqual(before.sockets)
      await expect.poll(() => processesIn(held.netns())).toEqual([])
      expect(mountsOf(rig.owner)).toEqual(before.mounts)
    })
  })
}

test.skipIf(lacks)(`a door is never made in the network of the machine itself${lacks ? ` (${lacks})` : ''}`, async () => {
  await expect(openDoor(process.pid)).rejects.toThrow('the sandbox has no network namespace of its own')
})
test.skipIf(NEEDS.deno)(`Deno without a wall around it refuses: it would connect by itself to whatever a listed name leads to${NEEDS.deno ? ` (${NEEDS.deno})` : ''}`, { timeout: 300_000 }, async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'lumaris-egress-alone-')), stages = await createStages({ scratch: join(scratch, 'stages'), owner: `egressalone${process.pid}` })
  const driver = createDenoDriver({ scratch: join(scratch, 'deno'), stages, wall: null }) as IsolationDriver, { done } = await start({ driver, runtime: 'javascript', owner: '', close: async () => undefined }, ['main.mjs'], { files: { 'main.mjs': 'console.log("ran")' }, rules: [{ host: 'ok.example', port: 443 }], config: configOf({}, 1) })
  onTestFinished(async () => { await driver.reap(); rmSync(scratch, { recursive: true, force: true }) })
  expect(await done).toMatchObject({ out: '', end: { cause: 'driver', detail: NO_EGRESS } })
})
