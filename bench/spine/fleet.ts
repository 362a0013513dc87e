// What ten thousand idle agents cost: `node tools/run.mjs bench/spine/fleet.ts [AGENTS] [SECONDS]`. The server has a process of its own; here is one
// socket per node that enrols, signs its hello, answers the link and sends a heartbeat every ten seconds, as the real agent does, with nothing
// behind it. Prints the server's memory before and after, and the share of a core that heartbeats take.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import WebSocket from 'ws'
import { newIdentity } from '@lumaris/agent'
import { createLink } from '@lumaris/link'
import { GIB, HandshakeToAgent, PROTOCOL_VERSION, helloText } from '@lumaris/protocol'
import type { DriverOffer, FromAgent, NodeId } from '@lumaris/protocol'

const count = Number(process.argv[2] ?? 10_000), seconds = Number(process.argv[3] ?? 40)
const AT_ONCE = 64
const dir = mkdtempSync(join(tmpdir(), 'lumaris-fleet-'))
const server = spawn(process.execPath, ['--expose-gc', '--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'server.ts'), join(dir, 'server'), ''], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
type Stats = { rss: number; heap: number; cpu: { user: number; system: number } }
const stats = (): Promise<Stats> => new Promise((resolve) => { server.once('message', (said) => resolve(said as Stats)); server.send('collect') })
const told = await new Promise<string>((resolve) => createInterface({ input: server.stdout as NodeJS.ReadableStream }).once('line', resolve))
const { url, sellerKey } = JSON.parse(told) as { url: string; sellerKey: string }

const capacity = { cpuMillis: 8_000, memoryBytes: 16 * GIB, diskBytes: 100 * GIB, gpus: 0 }
const limits = { cpu: 'hard', memory: 'hard', pids: 'hard', disk: 'hard', net: 'hard', wall: 'hard', output: 'hard' } as const
const drivers: DriverOffer[] = [{ id: 'bwrap', level: 'namespace', runtimes: ['native', 'python'], limits }]
const post = async <Reply>(path: string, body: object, key?: string): Promise<Reply> => {
  const response = await fetch(`${url}${path}`, { method: 'POST', headers: { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) }, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`)
  return (await response.json()) as Reply
}

type Member = { beat(): void; close(): void }
async function join1(name: string): Promise<Member> {
  const identity = newIdentity()
  const { token } = await post<{ token: string }>('/v1/enrolments', {}, sellerKey)
  const { id } = await post<{ id: NodeId }>('/v1/nodes', { token, publicKey: identity.publicKey, proof: identity.sign(`lumaris-enrol:${token}`), name, region: 'local', labels: {}, capacity, prices: {}, agentVersion: '0.1.0' })
  const bootId = randomBytes(16).toString('hex')
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/agent`, { perMessageDeflate: false })
  const link = createLink<FromAgent, unknown>({ onMessage: (_message, seq) => link.confirm(seq), onPending: () => setImmediate(() => link.flush()) })
  await new Promise<void>((resolve, reject) => {
    let welcomed = false
    socket.on('error', reject)
    socket.on('message', (data: Buffer) => {
      const text = data.toString()
      if (welcomed) { if (link.receive(text)) reject(new Error('a frame does not fit')); return }
      const said = HandshakeToAgent.parse(JSON.parse(text))
      if (said.type === 'refused') return reject(new Error(said.code))
      if (said.type === 'challenge') {
        socket.send(JSON.stringify({
          type: 'hello', protocol: PROTOCOL_VERSION, node_id: id, boot_id: bootId, agent_version: '0.1.0', capacity, drivers, attempts: [], nonce: said.nonce, last_seen: 0,
          signature: identity.sign(helloText({ nonce: said.nonce, node_id: id, boot_id: bootId })),
        }))
        return
      }
      welcomed = true
      link.attach((frame) => socket.send(frame), said.last_seen)
      resolve()
    })
  })
  let heartbeat = 0
  return { beat: () => { link.send({ type: 'availability_update', node_id: id, cpu_available: 8, mem_available: 16_384, status: 'ready', heartbeat: ++heartbeat, attempts: [] }) }, close: () => socket.terminate() }
}

try {
  const before = await stats()
  const members: Member[] = []
  let next = 0
  const joined = performance.now()
  await Promise.all(Array.from({ length: AT_ONCE }, async () => { while (next < count) { members.push(await join1(`n${next++}`)); if (members.length % 1000 === 0) process.stderr.write(`fleet: ${members.length} of ${count} are there\n`) } }))
  const joinSeconds = (performance.now() - joined) / 1000
  // Spread over the ten seconds, as agents that came one after another are.
  const timers = members.map((member, i) => { let timer: NodeJS.Timeout = setTimeout(() => { member.beat(); timer = setInterval(() => member.beat(), 10_000) }, (i / members.length) * 10_000); return () => clearTimeout(timer) })
  await sleep(12_000)
  const idle = await stats(), from = performance.now()
  await sleep(seconds * 1000)
  const after = await stats(), passed = performance.now() - from
  const cores = (after.cpu.user + after.cpu.system - idle.cpu.user - idle.cpu.system) / 1000 / passed
  process.stdout.write([
    '| agents | joined in (s) | RSS before → with all (MiB) | KiB per agent (RSS) | KiB per agent (heap) | heartbeats/s | share of a core |', '|---|---|---|---|---|---|---|',
    `| ${count} | ${joinSeconds.toFixed(1)} | ${(before.rss / 2 ** 20).toFixed(0)} → ${(after.rss / 2 ** 20).toFixed(0)} | ${((after.rss - before.rss) / 1024 / count).toFixed(1)} | ${((after.heap - before.heap) / 1024 / count).toFixed(1)} | ${(count / 10).toFixed(0)} | ${(cores * 100).toFixed(0)} % |`, '',
  ].join('\n'))
  for (const stop of timers) stop()
  for (const member of members) member.close()
} finally {
  await new Promise<void>((resolve) => { server.once('exit', () => resolve()); server.kill('SIGTERM') })
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
}
