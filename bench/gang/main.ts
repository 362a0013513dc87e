// How fast two ranks of a gang talk: over the relay and straight, beside plain TCP between two processes on the loopback of one sandbox, in one run.
// Relay and agents are processes of their own, all on this machine, and the programs are Python's sockets. `npm run bench:gang`.
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { join } from 'node:path'
import type { MeshOffer, MeshPeer } from '@lumaris/protocol'
import type { Rank } from '../../tests/gang/rig.ts'
import { python } from '../../tests/gang/rig.ts'

const MIB = 300, ROUNDS = 2_000
const SERVE = `
import socket, sys, time
def serve(host):
  t = socket.socket(); t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); t.bind((host, 7000)); t.listen()
  c, _ = t.accept(); c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1); room = bytearray(1 << 20)
  for _ in range(${ROUNDS}): c.sendall(c.recv(1))
  got = 0
  while got < ${MIB} << 20: got += c.recv_into(room)
  c.sendall(b'!'); c.recv(1)
`
const ASK = `
import socket, time
def ask(host):
  for _ in range(400):
    try: c = socket.create_connection((host, 7000), 5); break
    except OSError: time.sleep(0.02)
  c.settimeout(60); c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1); trips = []
  for _ in range(${ROUNDS}):
    t = time.perf_counter(); c.sendall(b'x'); c.recv(1); trips.append(time.perf_counter() - t)
  trips.sort(); block = bytes(1 << 20); t = time.perf_counter()
  for _ in range(${MIB}): c.sendall(block)
  c.recv(1); s = time.perf_counter() - t; c.close()
  print(round(${MIB} / s), round(trips[len(trips) // 2] * 1e6), round(trips[int(len(trips) * 0.99)] * 1e6), flush=True)
`
const PLAIN = `${SERVE}${ASK}
import os
if os.fork() == 0: serve('127.0.0.1'); os._exit(0)
ask('127.0.0.1'); os.wait()
`
type Result = { out: string; err: string; cause: string; stats: { dropped: number; peers: { packetsDirect: number; packetsRelayed: number }[] }; rss: number; cpuMs: number; helperMs: number }
type Ready = { url: string; seats: Pick<Rank, 'node' | 'token' | 'attempt'>[] }
const said = async <T>(child: ChildProcess): Promise<T> => ((await once(child, 'message')) as [T])[0]
const start = (file: string, ...args: string[]): ChildProcess => fork(join(import.meta.dirname, file), args)

async function run(direct: boolean, mtu: number, commands: string[][]): Promise<{ ended: Result[]; dropped: number; held: number }> {
  const size = 2, relay = start('relay.ts', String(size)), { url, seats } = await said<Ready>(relay)
  const agents = seats.map((seat, rank) => { const agent = start('agent.ts'); agent.send({ ...seat, rank, size, server: url, direct, mtu, command: commands[rank] }); return agent })
  const offers = await Promise.all(agents.map((agent) => said<MeshOffer>(agent)))
  const peers = offers.map((offer, rank): MeshPeer => ({ rank, attempt_id: (seats[rank] as Pick<Rank, 'attempt'>).attempt, ...offer }))
  const results = agents.map((agent) => said<Result>(agent)), gone = [...agents, relay].map((child) => once(child, 'exit'))
  for (const agent of agents) agent.send(peers)
  const ended = await Promise.all(results)
  const stats = said<{ dropped: number; held: number }>(relay)
  relay.send('stats')
  const { dropped, held } = await stats
  relay.disconnect()
  await Promise.all(gone)
  return { ended, dropped, held }
}
console.log(`${MIB} MiB one way, ${ROUNDS} round trips of one byte; ${cpus().length} cores (${cpus()[0]?.model ?? ''})`)
console.log('way\tMTU\tMiB/s\tmedian round trip µs\t99th µs\tdropped by agents + relay\tagents CPU ms\thelpers CPU ms\tagent RSS MiB')
const rows: [string, boolean, number][] = [['relay', false, 1_500], ['relay', false, 16_384], ['relay', false, 61_440], ['direct', true, 1_500], ['direct', true, 16_384], ['direct', true, 61_440]]
const { ended: [plain] } = await run(false, 61_440, [python(PLAIN), ['/bin/true']])
console.log(`plain loopback\t65536\t${plain?.out.trim().replaceAll(' ', '\t')}${plain?.err}`)
for (const [name, direct, mtu] of rows) {
  const { ended, dropped, held } = await run(direct, mtu, [python(`${SERVE}\nserve('0.0.0.0')`), python(`${ASK}\nask('10.99.0.1')`)])
  const caller = ended[1] as Result
  const [peer] = caller.stats.peers, way = peer && peer.packetsDirect > peer.packetsRelayed ? 'direct' : 'relay'
  console.log(`${name}${way === name ? '' : ` (went by ${way})`}\t${mtu}\t${caller.out.trim().replaceAll(' ', '\t')}\t${ended.reduce((sum, one) => sum + one.stats.dropped, 0)} + ${dropped} (held ${held})\t${ended.map((one) => one.cpuMs).join(' + ')}\t${ended.map((one) => one.helperMs).join(' + ')}\t${Math.round(caller.rss / 2 ** 20)}${caller.cause === 'exit' ? '' : `\t${caller.cause} ${caller.err}`}`)
}
