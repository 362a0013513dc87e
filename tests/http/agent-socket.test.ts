// The agents' door: who may come in, and who is told why not.
import { afterAll, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { randomBytes } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { helloText } from '@lumaris/protocol'
import { loadIdentity } from '../../apps/agent/src/identity.ts'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket({ agents: 1 }) })
afterAll(async () => { await market.stop() })

type Said = { type: string; code?: string; nonce: string; protocol: number; detail?: Record<string, unknown> }
/** Opens a socket, answers the challenge with what `hello` makes of it, and gives the first answer. */
async function knock(hello: (challenge: Said) => unknown, at: { url: string; headers?: Record<string, string> } = market): Promise<Said | 'closed'> {
  const socket = new WebSocket(`${at.url.replace('http', 'ws')}/v1/agent`, { headers: at.headers ?? {} })
  const next = () => new Promise<Said | 'closed'>((resolve) => { socket.once('message', (data: Buffer) => resolve(JSON.parse(String(data)) as Said)); socket.once('close', () => resolve('closed')) })
  const challenge = await next()
  if (challenge === 'closed') return challenge
  const said = hello(challenge)
  socket.send(typeof said === 'string' ? said : JSON.stringify(said))
  const answer = await next()
  socket.terminate()
  return answer
}
const capacity = { cpuMillis: 1000, memoryBytes: 1e9, diskBytes: 1e9, gpus: 0 }
const nodeId = (): string => market.agents[0]?.nodeId ?? ''
const helloOf = (challenge: Said, more: object = {}) => ({ type: 'hello', protocol: 1, node_id: nodeId(), boot_id: 'another-start', agent_version: '0.1.0', nonce: challenge.nonce, signature: 'x'.repeat(86), capacity, drivers: [], attempts: [], ...more })

test('an agent of another protocol version is told which ones are spoken', async () => {
  expect(await knock((challenge) => helloOf(challenge, { protocol: 99 }))).toMatchObject({ type: 'refused', code: 'protocol_version', detail: { spoken: 99, from: 1, to: 1 } })
})
test('a hello that is none, and one that is no JSON', async () => {
  expect(await knock(() => ({ type: 'hello' }))).toMatchObject({ type: 'refused', code: 'invalid_request' })
  expect(await knock(() => '{')).toMatchObject({ type: 'refused', code: 'malformed_json' })
})
test('a signature by another key, and a signature over another challenge', async () => {
  expect(await knock((challenge) => helloOf(challenge))).toMatchObject({ type: 'refused', code: 'bad_signature' })
  const identity = await loadIdentity(join(market.dir, 'node-0'))
  const old = { nonce: 'an-old-challenge', node_id: nodeId(), boot_id: 'another-start' }
  expect(await knock((challenge) => helloOf(challenge, { signature: identity.sign(helloText(old)) }))).toMatchObject({ type: 'refused', code: 'bad_signature' })
  expect(await knock((challenge) => helloOf(challenge, { nonce: old.nonce, signature: identity.sign(helloText(old)) }))).toMatchObject({ type: 'refused', code: 'bad_signature' })
})
test('a second agent with a copied key is refused while the first one works', async () => {
  const identity = await loadIdentity(join(market.dir, 'node-0'))
  const answer = await knock((challenge) => { const boot_id = randomBytes(8).toString('hex'); return helloOf(challenge, { boot_id, signature: identity.sign(helloText({ nonce: challenge.nonce, node_id: nodeId(), boot_id })) }) })
  expect(answer).toMatchObject({ type: 'refused', code: 'node_in_use' })
  expect(market.agents[0]?.state().connected).toBe(true)
})
test('other addresses are no door', async () => {
  await expect(new Promise((resolve, reject) => { const socket = new WebSocket(`${market.url.replace('http', 'ws')}/v1/jobs`); socket.once('open', resolve); socket.once('error', reject) })).rejects.toThrow(/404/)
})
test('the private key never left the agent', () => {
  const key = readdirSync(join(market.dir, 'node-0')).filter((name) => /key|identity/.test(name)).map((name) => readFileSync(join(market.dir, 'node-0', name), 'utf8')).join('')
  expect(key).toMatch(/PRIVATE KEY|"d"|priv/i)
  const body = key.replace(/-----[A-Z ]+-----|\s/g, '').slice(0, 40)
  for (const file of readdirSync(join(market.dir, 'server'), { recursive: true, encoding: 'utf8' }).filter((name) => /sqlite/.test(name))) expect(readFileSync(join(market.dir, 'server', file)).includes(body), file).toBe(false)
})

test('the block of addresses is that of the connection: what a caller writes into the header counts only behind a proxy that is trusted', async () => {
  for (const [trustProxy, block] of [[undefined, undefined], ['loopback', '203.0.113.0/24']] as const) {
    const one = await startMarket({ agents: 1, server: { trustProxy } })
    try {
      const [agent] = one.agents.splice(0) as [(typeof one.agents)[number]], id = agent.nodeId!
      expect(one.app.engine.state.nodes.get(id)).not.toHaveProperty('block') // loopback says nothing
      expect(one.app.engine.state.nodes.get(id)).not.toHaveProperty('enrolledFrom')
      await agent.stop()
      await expect.poll(() => one.app.engine.state.links.get(id)?.connected).toBe(false)
      const identity = await loadIdentity(join(one.dir, 'node-0')), boot_id = randomBytes(8).toString('hex')
      const answer = await knock((challenge) => helloOf(challenge, { node_id: id, boot_id, signature: identity.sign(helloText({ nonce: challenge.nonce, node_id: id, boot_id })) }), { url: one.url, headers: { 'x-forwarded-for': '192.168.0.1, 203.0.113.9' } })
      expect(answer).toMatchObject({ type: 'welcome' })
      expect(one.app.engine.state.nodes.get(id)?.block).toBe(block)
    } finally { await one.stop() }
  }
})
