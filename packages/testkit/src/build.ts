// Valid things to start from: a test names only what matters to it.
import { GIB, Hello, JobSpec, PriceSheet, canonical } from '@lumaris/protocol'
import type { AttemptId, Capacity, JobDispatch, JobId, JobSpecInput, JobStatusMessage, NodeId, ResultFile, ToAgent, UserId } from '@lumaris/protocol'
import { createState, runTurn, DEFAULT_SETTINGS, stepAgent, createAgentState } from '@lumaris/domain'
import type { Answer, Change, Command, Effect, Guards, MarketSettings, MarketState, NodeRow, TurnPorts } from '@lumaris/domain'
import { createHash } from 'node:crypto'

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
/** `aBuyer('ann')` is always the same valid id. */
const named = (prefix: string, name: string): string => `${prefix}_${sha256(name).slice(0, 26)}`
export const aUser = (name = 'buyer'): UserId => named('usr', name) as UserId
export const aJobId = (name = 'job'): JobId => named('job', name) as JobId
export const aSpec = (more: Partial<JobSpecInput> = {}): JobSpec => JobSpec.parse({ command: ['echo', 'hello'], ...more })
export const credits = (whole: number): bigint => BigInt(Math.round(whole * 1_000_000))
export const prices = (cpuHour: number) => PriceSheet.parse({ cpuHour: String(Math.round(cpuHour * 1_000_000)) })

/** Ids in order of making, without chance. */
export function countingIds(): TurnPorts['id'] {
  let made = 0
  return (prefix) => `${prefix}_${(made++).toString().padStart(26, '0')}`
}

const keyed = (text: string): string => sha256(`a key for tests ${text}`)

/** A market in memory with a clock in hand: each `act` is a turn. Commits at once. */
export function aMarket(options: { settings?: Partial<MarketSettings>; guards?: Guards; keyed?: TurnPorts['keyed'] } = {}) {
  const state: MarketState = createState({ ...DEFAULT_SETTINGS, ...options.settings }, options.guards)
  const id = countingIds()
  const log: Change[] = []
  const market = {
    state, now: 1_000_000, log, effects: [] as Effect[],
    act<C extends Command>(command: C): Answer<C['kind']> {
      const { turn, answers } = runTurn(state, [command], { now: market.now, id, hash: sha256, keyed: options.keyed ?? keyed })
      log.push(...turn.changes)
      market.effects.push(...turn.effects)
      return answers[0] as Answer<C['kind']>
    },
    pass(ms: number) { market.now += ms; market.act({ kind: 'clock' }) },
    /** Messages to a node since the last call. */
    sentTo(node: NodeId): ToAgent[] {
      const sent = market.effects.filter((effect) => effect.kind === 'send' && effect.node === node)
      market.effects = market.effects.filter((effect) => !sent.includes(effect))
      return sent.map((effect) => (effect as Extract<Effect, { kind: 'send' }>).message)
    },
    fund(user: UserId, amount: bigint) {
      if (!state.accounts.has(`buyer:${user}:available`)) state.accounts.set(`buyer:${user}:available`, 0n)
      market.act({ kind: 'topup', user, amount, provider: 'demo', key: `k${market.log.length}`, bodyHash: 'x' })
    },
    submit(buyer: UserId, spec: JobSpec, more: Partial<Extract<Command, { kind: 'submit' }>> = {}) {
      const hash = sha256(canonical(spec))
      return market.act({ kind: 'submit', buyer, id: null, key: null, bodyHash: hash, spec, specHash: hash, quote: null, cap: null, noWait: false, ...more })
    },
    /** Enrols and connects a node; its agent is the real one, without hands. */
    join(name: string, more: { owner?: UserId; cpuHour?: number; spotPercent?: number; region?: string; labels?: Record<string, string>; /** Its driver cannot join the network of a gang. */ alone?: boolean; /** It moves what runs, from and to those who say the same. */ live?: string; /** Of addresses: where it connects from, and where it was enrolled from. */ block?: string; enrolledFrom?: string } & Partial<Capacity> = {}) {
      const tokenHash = sha256(`token ${name}`)
      market.act({ kind: 'enrolment', owner: more.owner ?? aUser(`seller of ${name}`), tokenHash, name })
      const capacity = { cpuMillis: more.cpuMillis ?? 4000, memoryBytes: more.memoryBytes ?? 8 * GIB, diskBytes: more.diskBytes ?? 100 * GIB, gpus: more.gpus ?? 0, ...(more.gpuModel ? { gpuModel: more.gpuModel } : {}), ...(more.gpuShare ? { gpuShare: more.gpuShare, gpuProfile: '1g.18gb' } : {}), ...(more.gpuMemoryBytes ? { gpuMemoryBytes: more.gpuMemoryBytes } : {}) }
      const row = market.act({
        kind: 'enrol', tokenHash, block: more.enrolledFrom, body: {
          token: 'x'.repeat(20), publicKey: sha256(name).slice(0, 43), proof: 'x'.repeat(86), name, region: more.region ?? 'local', labels: more.labels ?? {}, capacity, prices: { ...prices(more.cpuHour ?? 1), ...(more.spotPercent === undefined ? {} : { spotPercent: more.spotPercent }) }, agentVersion: '0.1.0',
        },
      }) as NodeRow
      const agent = createAgentState(row.id, capacity)
      const connect = (bootId = `boot-${name}-1`) => market.act({ kind: 'hello', block: more.block, hello: Hello.parse({
        type: 'hello', protocol: 1, node_id: row.id, boot_id: bootId, agent_version: '0.1.0', nonce: 'n', signature: 'x'.repeat(86), capacity,
        drivers: [{ id: 'fake', level: 'namespace', runtimes: ['native', 'python', 'javascript'], limits: {}, ...(more.alone ? {} : { gang: true }), ...(more.live === undefined ? {} : { memory: more.live, live: true }) }], attempts: [],
      }) })
      return { id: row.id, agent, connect, row: () => state.nodes.get(row.id) as NodeRow }
    },
    /** The node's own words about an attempt, with a true metering chain. */
    report(order: JobDispatch, end: { runMs?: number; exitCode?: number; cause?: JobStatusMessage['cause']; digest?: string; files?: ResultFile[] } = {}) {
      const agent = createAgentState(order.terms.node, { cpuMillis: 1e6, memoryBytes: 2 ** 50, diskBytes: 2 ** 50, gpus: 100 })
      agent.session = order.session; agent.leaseFrom = market.now; agent.leaseGen = order.lease_gen
      const ports = { now: market.now, wall: market.now, hash: sha256 }
      const usage = { runMs: end.runMs ?? 1000, cpuMs: end.runMs ?? 1000, memoryPeakBytes: 1, diskBytes: 0, outBytes: 0 }
      const exitCode = end.exitCode ?? 0
      const out = [
        ...stepAgent(agent, { kind: 'message', message: order }, ports),
        ...stepAgent(agent, { kind: 'started', attempt: order.attempt_id }, ports),
        ...stepAgent(agent, { kind: 'ended', attempt: order.attempt_id, end: { cause: end.cause ?? (exitCode === 0 ? 'succeeded' : 'buyer_exit'), exitCode, usage, files: end.files ?? [], resultDigest: end.digest ?? sha256('result'), detail: null } }, ports),
      ]
      for (const output of out) if (output.kind === 'send' && output.message.type === 'job_status') market.act({ kind: 'status', node: order.terms.node, session: order.session, message: output.message })
    },
    dispatched(node: NodeId): JobDispatch[] { return market.sentTo(node).filter((message) => message.type === 'job_dispatch') },
    attempt: (id: AttemptId) => state.attempts.get(id),
    job: (id: JobId) => state.jobs.get(id)?.row,
  }
  return market
}
