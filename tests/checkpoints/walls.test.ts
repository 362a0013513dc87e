// A seller who says that something is stored when it is not, or that a memory was asked for when it was not: what he says is a tick like others, nothing is
// kept, and nothing is paid. And a move that cannot be made: the job runs on.
import { createHash } from 'node:crypto'
import WebSocket from 'ws'
import { expect, onTestFinished, test } from 'vitest'
import { createAgentState, stepAgent } from '@lumaris/domain'
import type { AgentInput } from '@lumaris/domain'
import { createLink } from '@lumaris/link'
import { GIB, canonical, helloText, memoryText } from '@lumaris/protocol'
import type { Attempt, FromAgent, JobDispatch, JobId, JobSpecInput, NodeId, Saved, ToAgent, Welcome } from '@lumaris/protocol'
import { sha256 } from '@lumaris/testkit'
import { newIdentity } from '../../apps/agent/src/identity.ts'
import { QUICK, startMarket } from '../start-market.ts'

const capacity = { cpuMillis: 4000, memoryBytes: 8 * GIB, diskBytes: 10 * GIB, gpus: 0 }
const hash = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex')

/** The true core of an agent, with hands that lie: it runs nothing, and says what the test says. */
async function aLiar() {
  const market = await startMarket({ server: { settings: { ...QUICK, suspectMs: 60_000, lostMs: 120_000, offerMs: 60_000 } } })
  onTestFinished(() => market.stop())
  const identity = newIdentity(), { token } = (await market.call(market.demo.sellers[0]?.key ?? '', 'POST', '/v1/enrolments', { name: 'liar' })).body
  const { id } = (await market.call(null, 'POST', '/v1/nodes', { token, publicKey: identity.publicKey, proof: identity.sign(`lumaris-enrol:${token}`), name: 'liar', capacity, agentVersion: '1', prices: { cpuHour: '3600000' } })).body as { id: NodeId }
  const state = createAgentState(id, capacity), socket = new WebSocket(`${market.url.replace('http', 'ws')}/v1/agent`), orders: JobDispatch[] = []
  onTestFinished(() => socket.terminate())
  const step = (input: AgentInput): void => { for (const out of stepAgent(state, input, { now: performance.now(), wall: Date.now(), hash: sha256 })) { if (out.kind === 'send') link.send(out.message); if (out.kind === 'start') orders.push(out.order) } }
  const link = createLink<FromAgent, ToAgent>({ parse: (value) => value as ToAgent, onPending: () => setImmediate(() => link.flush()), onMessage: (message, seq) => { step({ kind: 'message', message }); link.confirm(seq) } })
  const welcome = await new Promise<Welcome>((resolve) => {
    socket.on('message', (data: Buffer) => {
      const said = JSON.parse(data.toString()) as Omit<Welcome, 'type'> & { type?: string; nonce?: string }
      if (said.type === 'challenge') {
        const hello = { nonce: said.nonce ?? '', node_id: id, boot_id: 'the-boot-of-a-liar' }
        socket.send(JSON.stringify({ type: 'hello', protocol: 1, ...hello, agent_version: '1', signature: identity.sign(helloText(hello)), capacity, attempts: [], drivers: [{ id: 'fake', level: 'namespace', runtimes: ['native'], limits: {} }] }))
      } else if (said.type === 'welcome') { link.attach((frame) => socket.send(frame), null); const greeted = { ...said, type: 'welcome' as const }; step({ kind: 'welcome', welcome: greeted, helloSentAt: performance.now() }); resolve(greeted) } else link.receive(data.toString())
    })
  })
  const beats = setInterval(() => step({ kind: 'clock' }), 50)
  Object.assign(state.settings, { heartbeatMs: 100 })
  onTestFinished(() => clearInterval(beats))
  const put = async (bytes: string): Promise<string> => { expect((await market.call(market.buyer, 'PUT', `/v1/blobs/${hash(bytes)}`, new TextEncoder().encode(bytes), { 'upload-length': String(bytes.length) })).status).toBe(201); return hash(bytes) }
  const attemptOf = async (job: string): Promise<Attempt> => (await market.call(market.buyer, 'GET', `/v1/jobs/${job}/attempts`)).body.data[0] as Attempt
  /** Takes a job, runs it for a moment, says that this was stored, and gives it back. */
  async function tell(spec: Partial<JobSpecInput>, made: (order: JobDispatch) => Promise<Omit<Saved, 'number' | 'runMs'> & { lock?: boolean }>): Promise<Attempt> {
    const job = (await market.submit({ command: ['fake:hang'], limits: { retries: 0 }, ...spec })).body.id as JobId
    await expect.poll(() => orders.some((order) => order.job_id === job)).toBe(true)
    const order = orders.find((one) => one.job_id === job) as JobDispatch
    step({ kind: 'started', attempt: order.attempt_id })
    await expect.poll(async () => (await attemptOf(job)).state).toBe('running')
    const { lock, ...saved } = await made(order)
    step({ kind: 'saved', attempt: order.attempt_id, saved: { ...saved, number: 1, runMs: 1 }, ...(lock ? { memory: { driver: 'fake' as const, maker: 'm', key: 'k'.repeat(43) } } : {}) })
    step({ kind: 'ended', attempt: order.attempt_id, end: { cause: 'seller_reclaimed', exitCode: null, usage: { runMs: 100, cpuMs: 0, memoryPeakBytes: 0, diskBytes: 0, outBytes: 0 }, files: [], resultDigest: null, detail: null } })
    await expect.poll(async () => (await attemptOf(job)).state).toBe('ended')
    return attemptOf(job)
  }
  return { tell, put, identity, id, welcome }
}

test('what is said to be stored and is not counts for nothing, whatever is missing of it', { timeout: 300_000 }, async () => {
  const { tell, put, identity, id } = await aLiar()
  const asked: Partial<JobSpecInput> = { checkpoint: { paths: ['state'] } }
  const list = (files: unknown): string => canonical({ version: 1, files })
  const said = (text: string, size: number) => ({ kind: 'files' as const, manifest: hash(text) as Saved['manifest'], manifestSize: text.length, size })
  const stored = async (text: string, size: number) => { await put(text); return said(text, size) }
  const state = await put('state'), nothing = hash('nobody has this')
  const cases: [string, Parameters<typeof tell>[1], Partial<JobSpecInput>?][] = [
    ['no list', async () => said(list([]), 0)],
    ['a list of a file that is not there', () => stored(list([{ path: 'state', blob: nothing, size: 5 }]), 5)],
    ['a file of another size', () => stored(list([{ path: 'state', blob: state, size: 6 }]), 6)],
    ['a sum that is another', () => stored(list([{ path: 'state', blob: state, size: 5 }]), 4)],
    ['a path that leads out', () => stored(list([{ path: '../state', blob: state, size: 5 }]), 5)],
    ['no list at all', () => stored('state of another kind', 5)],
    ['what nobody asked for', () => stored(list([{ path: 'state', blob: state, size: 5 }]), 5), {}],
    ['a memory that nobody asked for, rightly signed', async (order) => {
      const bare = { version: 1 as const, attempt: order.attempt_id, node: id, driver: 'fake' as const, maker: 'm', size: 16, chunks: [{ blob: await put('sixteen letters!') as never, size: 16 }] }
      return { ...(await stored(canonical({ ...bare, signature: identity.sign(memoryText(bare)) }), 16)), kind: 'memory' as const, lock: true }
    }],
  ]
  for (const [what, made, spec] of cases) {
    const attempt = await tell(spec ?? asked, made)
    expect([what, attempt]).toEqual([what, expect.objectContaining({ state: 'ended', cause: 'seller_reclaimed', usage: expect.objectContaining({ runMs: 100 }) })])
    expect([what, attempt.saved, attempt.billed ?? '0']).toEqual([what, undefined, '0'])
  }
  // And the true one counts.
  const good = await tell(asked, () => stored(list([{ path: 'state', blob: state, size: 5 }, { path: 'again', blob: state, size: 5 }]), 10))
  expect(good).toMatchObject({ saved: { number: 1, kind: 'files', size: 10 } })
})

test('a move that cannot be made leaves the job where it is: it says so in its history, and ends as it would have', { timeout: 300_000 }, async () => {
  // Nobody is called lost here, however slow the machine is.
  const market = await startMarket({ agents: 2, server: { settings: { ...QUICK, suspectMs: 60_000, lostMs: 120_000, offerMs: 60_000 } } })
  onTestFinished(() => market.stop())
  // More in its directory than its disk may hold: the fake driver lets it, and the checkpoint does not.
  const full = new Uint8Array(2 ** 20), input = { path: 'full', blob: hash(full), size: full.length }
  expect((await market.call(market.buyer, 'PUT', `/v1/blobs/${input.blob}`, full, { 'upload-length': String(full.length) })).status).toBe(201)
  const job = (await market.submit({ command: ['fake:write', 'more', 'x', ';', 'fake:sleep', '6000'], inputs: [input], outputs: [], resources: { diskBytes: 2 ** 20 }, checkpoint: { paths: ['**'], everyMs: 3_600_000 } })).body.id as JobId
  await expect.poll(async () => (await market.call(market.buyer, 'GET', `/v1/jobs/${job}/attempts`)).body.data[0]?.state).toBe('running')
  expect(await market.call(market.buyer, 'POST', `/v1/jobs/${job}/move`, {})).toMatchObject({ status: 202 })
  expect(await market.ended(job)).toMatchObject({ state: 'completed' })
  const events = (await market.call(market.buyer, 'GET', `/v1/jobs/${job}/events`)).body as { type: string; state: string }[]
  expect(events.filter(({ type }) => type === 'moved').map(({ state }) => state)).toEqual(['asked', 'failed'])
  expect(await market.call(market.buyer, 'POST', `/v1/jobs/${job}/move`, {})).toMatchObject({ status: 409, body: { code: 'job_ended' } })
})
