// Buyers and sellers, as they are: some ask the price first, some name a cap that is too low, send the same request again with other words,
// change their mind, run out of money; sellers pause, change prices, and one of them cheats.
import { GIB, JobSpec, OPEN_POLICY, PriceSheet, account, canonical, isRefusal } from '@lumaris/protocol'
import type { JobId, JobSpecInput, QuoteId, ScheduleId, UserId } from '@lumaris/protocol'
import { isTerminal } from '@lumaris/domain'
import type { Command, NodeRow, ScheduleRow, Submitted } from '@lumaris/domain'
import { virtualChance } from '../../packages/testkit/src/virtual-chance.ts'
import { Client } from './client.ts'
import { Machine } from './machine.ts'
import { sha256 } from './world.ts'
import type { World } from './world.ts'

/** The most seats a task may come to have, counted here on its own. */
export const seatsOf = (spec: JobSpec): number => (spec.compare?.kind === 'command' ? 2 * resultsOf(spec) + 2 : resultsOf(spec))
const resultsOf = ({ copies, assurance }: JobSpec): number => (assurance ? { '1e-2': 6, '1e-4': 6, '1e-6': 8 }[assurance] : copies === 1 ? 1 : copies + 2)

/** Tasks that there may come to be. */
export const tasksOf = ({ divide, tasks }: JobSpec): number => divide?.most ?? tasks.length
/** Tasks that may be run twice, counted here on its own: the smallest that fit into the share, here all alike; of tasks that are yet to be cut, that share of them. */
export const copiesOf = ({ speculate = 0, tasks, divide }: JobSpec): number => (divide ? Math.ceil(speculate * divide.most) : Math.floor(speculate * tasks.length))

/** What may be cut, in pieces that are not alike: so many units, whatever they are. What a part takes is in proportion to them. */
export const INPUT_BYTES = 1000
const PIECES = Array.from({ length: 40 }, (_one, i) => ({ to: 25 * (i + 1) - (i < 39 ? i % 7 : 0), hash: sha256(`piece ${i}`) }))
const anInput = (first = 0, last = PIECES.length) => ({ path: 'part', blob: sha256('an input'), size: INPUT_BYTES, from: PIECES[first - 1]?.to ?? 0, to: PIECES[last - 1]?.to, pieces: PIECES.slice(first, last) })
/** One input; planned in parts far too small, that are joined when a node has shown it; a list, of which a part has two hundred values at most; a range; files, some of them empty. */
const CUT: Readonly<Record<'pieces' | 'planned' | 'list' | 'range' | 'files', { readonly tasks: NonNullable<JobSpecInput['tasks']>; /** Parts that there are, or must be, at least. */ readonly parts: number }>> = {
  pieces: { tasks: [{ inputs: [anInput() as never] }], parts: 1 },
  planned: { tasks: Array.from({ length: 10 }, (_one, i) => ({ inputs: [anInput(4 * i, 4 * i + 4) as never] })), parts: 10 },
  list: { tasks: [{ args: ['{}'], items: { kind: 'list', values: Array.from({ length: INPUT_BYTES }, (_one, i) => `${i}`) } }], parts: INPUT_BYTES / 200 },
  range: { tasks: [{ args: ['{}'], items: { kind: 'range', to: INPUT_BYTES, first: 1, step: 2 } }], parts: 1 },
  files: { tasks: [{ args: ['{}'], items: { kind: 'files' }, inputs: PIECES.map(({ to }, i) => ({ path: `in/${i}`, blob: sha256(`file ${i}`), size: i % 9 === 4 ? 0 : to - (PIECES[i - 1]?.to ?? 0) })) as never }], parts: 1 },
}
const KINDS = ['pieces', 'planned', 'list', 'range', 'files', 'planned'] as const
/** Units of all tasks of a spec, counted here on their own. */
export const unitsOf = ({ tasks }: JobSpec): number => (tasks[0]?.items?.kind === 'files' ? (tasks[0].inputs ?? []).reduce((sum, { size }) => sum + (size || 1), 0) : INPUT_BYTES)
/** Where parts may end. */
export const mayEndAt = ({ tasks }: JobSpec, at: number): boolean => {
  if (tasks[0]?.items?.kind !== 'files') return tasks[0]?.items !== undefined || PIECES.some(({ to }) => to === at)
  let end = 0
  return (tasks[0].inputs ?? []).some(({ size }) => (end += size || 1) === at)
}
/** Times as long as one of them that is not cut. */
const CUT_TIMES = 4

type Submit = Extract<Command, { kind: 'submit' }>

export class Buyer {
  readonly #world: World
  readonly #client: Client
  readonly #user: UserId
  #jobs: JobId[] = []
  #sent: Submit[] = []
  #topups: Extract<Command, { kind: 'topup' }>[] = []
  #made = 0

  constructor(world: World, name: string) {
    this.#world = world
    this.#client = new Client(world)
    this.#user = `usr_${name}` as UserId
    this.#topup(3_000_000n)
    this.#schedule()
    this.#next()
  }

  /** One that fires every few minutes through all the storm; its buyer ends it when that is over. */
  #schedule(): void {
    const spec = JobSpec.parse({ command: ['work'], env: { SIM_MS: '170000', SIM_EXIT: '0' }, resources: { cpuMillis: 500, memoryBytes: GIB / 2 }, limits: { runMs: 200_000, queueMs: 600_000 } })
    this.#client.ask({ kind: 'createSchedule', buyer: this.#user, key: `schedule:${this.#user}`, bodyHash: 'x', name: null, cron: '*/4 * * * *', timeZone: 'UTC', spec, cap: 100_000n, budget: this.#user.endsWith('1') ? 150_000n : 5_000_000n, overlap: this.#user.endsWith('1') ? 'allow' : 'skip' }, (answer) => {
      if (isRefusal(answer)) { this.#client.world.fail('L3', `${this.#user} cannot make a schedule: ${answer.refusal}`); return }
      this.#scheduled = (answer as ScheduleRow).id
    })
  }
  #scheduled: ScheduleId | null = null
  /** After the storm nothing new is made. */
  calm(): void { if (this.#scheduled) this.#client.ask({ kind: 'changeSchedule', id: this.#scheduled, to: 'removed' }, () => undefined) }

  #next(): void {
    this.#world.time.after(this.#world.chance.exponential(50_000), () => {
      if (!this.#world.stormy) return
      this.#act()
      this.#next()
    })
  }

  #act(): void {
    const { chance } = this.#world
    switch (chance.weighted({ submit: 60, quoted: 12, cancel: 12, again: 8, conflict: 4, topup: 10, topupAgain: 4 })) {
      case 'submit': this.#submit(this.#spec(), null); return
      case 'quoted': this.#quoted(); return
      case 'cancel': if (this.#jobs.length > 0) this.#cancel(chance.happens(0.6) ? this.#jobs.at(-1) as JobId : chance.pick(this.#jobs)); return
      case 'again': if (this.#sent.length > 0) this.#ask(chance.pick(this.#sent)); return
      case 'conflict': if (this.#sent.length > 0) { const sent = chance.pick(this.#sent); this.#ask({ ...sent, bodyHash: `${sent.bodyHash}!` }) } return
      case 'topup': this.#topup(BigInt(chance.between(100_000, 1_500_000))); return
      case 'topupAgain': if (this.#topups.length > 0) { const sent = chance.pick(this.#topups); this.#world.time.after(0, () => this.#client.ask(chance.happens(0.5) ? sent : { ...sent, bodyHash: 'other' }, (answer) => this.#toppedUp(answer))) }
    }
  }

  #spec(): JobSpec {
    const { chance } = this.#world
    const runMs = chance.pick([20_000, 60_000, 180_000, 600_000])
    const input: JobSpecInput = {
      command: ['work'], env: { SIM_MS: String(Math.round(chance.happens(0.05) ? runMs * 2 : runMs * (0.05 + 0.7 * chance.next()))), SIM_EXIT: chance.happens(0.08) ? '7' : '0' },
      tasks: Array.from({ length: Number(chance.weighted({ 1: 70, 2: 15, 4: 10, 6: 5 })) }, () => ({})),
      resources: { cpuMillis: chance.pick([500, 1000, 2000]), memoryBytes: GIB / 2, ...(chance.happens(0.03) ? { gpus: 1 } : {}) },
      limits: { runMs, queueMs: chance.pick([60_000, 600_000, 1_800_000]), retries: chance.pick([0, 1, 2, 5, 5, 5]) },
      copies: Number(chance.weighted({ 1: 70, 2: 18, 3: 12 })), disconnect: chance.weighted({ replace: 55, wait: 15, exclusive: 30 }), priority: chance.between(1, 10),
    }
    // Some finish what they can when a task fails; of theirs only one does. Drawn from what is drawn already, so that old seeds stay what they were.
    if (input.priority === 3 || input.priority === 4) {
      input.onFailure = 'finish'
      if (input.env?.['SIM_EXIT'] === '7') input.tasks = input.tasks?.map((_task, i) => ({ env: { SIM_EXIT: i === 0 ? '7' : '0' } }))
    }
    if (input.priority === 4 || input.priority === 2) input.tags = ['scraping']
    // Mostly the loosest bound: the tighter ones need more owners with a record than a small market soon has.
    if (input.copies === 1 && chance.happens(0.3)) input.assurance = chance.weighted({ '1e-2': 85, '1e-4': 10, '1e-6': 5 })
    // Some are kept every so often, and some of those are moved while they run.
    if ((input.priority === 1 || input.priority === 2 || input.priority === 6) && input.copies === 1 && !input.assurance) { input.checkpoint = { paths: ['state'], everyMs: 20_000 }; input.env = { ...input.env, SIM_LIMIT: String(runMs) } }
    // More than one task, and nothing that forbids it: a share of them may be run twice when they are late.
    if (input.copies === 1 && !input.assurance && input.disconnect !== 'exclusive' && (input.tasks?.length ?? 0) > 1 && input.priority !== 2 && input.priority !== 6 && !input.checkpoint) {
      input.speculate = 0.5
      if (input.priority === 10) input.expectedMs = Math.ceil(runMs * 0.4)
    }
    // Some compare by a command of their own, which for a few is of no use.
    if ((input.copies! > 1 || input.assurance) && input.resources?.cpuMillis !== 2000) {
      input.compare = { kind: 'command', command: ['compare'], says: input.assurance && input.resources?.cpuMillis === 500 ? 'right' : 'same' }
      input.env = { ...input.env, SIM_SPELLS: input.priority === 4 ? 'broken' : 'well' }
    }
    // Some of one task are cut while they run; a failing one of them fails at one byte of its input.
    if (this.#world.options.divided) { input.tasks = [{}]; if (input.priority === 6) input.priority = 5 }
    if (input.tasks?.length === 1 && (this.#world.options.divided || ((input.resources?.cpuMillis ?? 0) !== 2000 && input.priority !== 8 && input.priority !== 2 && input.priority !== 6))) {
      // What it is of follows from what is drawn already, so that old seeds stay what they were.
      const { tasks, parts } = CUT[this.#world.options.divided ? KINDS[Number(input.env?.['SIM_MS']) % KINDS.length] ?? 'pieces' : 'pieces']
      input.tasks = tasks
      input.divide = { most: (parts > 1 ? parts : 0) + 2 + ((runMs / 20_000 + (input.priority ?? 0)) % 11), targetMs: runMs / 5 }
      input.env = { ...input.env, SIM_MS: String(CUT_TIMES * Number(input.env?.['SIM_MS'])) }
      if (input.copies === 1 && !input.assurance && input.disconnect !== 'exclusive' && !input.checkpoint) input.speculate = 0.5
      delete input.expectedMs
    }
    // Some have a plan: a deadline with more or less slack, with and without checkpoints; some of them say too little of how long it takes.
    if (input.priority === 1 && input.copies === 1 && !input.assurance && input.disconnect !== 'wait') {
      const simMs = Number(input.env?.['SIM_MS']), expectedMs = Math.min(runMs, simMs % 5 === 0 ? Math.ceil(simMs / 2) : simMs)
      if (input.resources?.cpuMillis === 500) delete input.checkpoint
      return JobSpec.parse({ ...input, plan: 'deadline', expectedMs, deadline: Math.round(1_700_000_000_000 + this.#world.now + expectedMs + (simMs % 7) * 150_000 + 5_000), ...(simMs % 3 === 0 ? { displace: '40000' } : {}) })
    }
    if (input.priority === 8) return JobSpec.parse({ ...input, deadline: Math.round(1_700_000_000_000 + this.#world.now + runMs * (0.25 + chance.next())) })
    if (input.priority === 9) return JobSpec.parse({ ...input, placement: { spread: chance.pick(['node', 'owner']) } })
    if (input.priority === 6) return JobSpec.parse({ ...input, interruptible: chance.happens(0.5) ? {} : { bidHour: String(chance.between(100_000, 2_000_000)) } })
    if (input.priority === 5) return JobSpec.parse({ ...input, displace: String(chance.between(100, 40_000)) })
    if (input.priority === 2 && input.copies === 1 && !input.assurance && (input.tasks?.length ?? 0) > 1) return JobSpec.parse({ ...input, checkpoint: undefined, gang: true, ...(input.disconnect === 'wait' ? { disconnect: 'replace' } : {}) })
    // Some want what nobody has, and give in after a while.
    return JobSpec.parse(input.priority === 7 ? { ...input, placement: { regions: ['elsewhere'] }, fallback: [{ afterMs: 30_000, regions: null }] } : input)
  }

  #submit(spec: JobSpec, quote: QuoteId | null): void {
    const { chance } = this.#world
    const n = this.#made++
    // Every fourth comes after others of the same buyer, chosen by counting, so that the draws of old seeds stay what they were. A quote is for what was asked.
    const after = quote === null && n % 4 === 3 ? [...new Set([this.#jobs.at(-1), ...(n % 8 === 7 ? [this.#jobs[n % this.#jobs.length]] : [])])].flatMap((job) => (job ? [{ job }] : [])) : []
    if (after.length > 0) spec = { ...spec, after }
    if (quote === null && n % 5 === 2) spec = { ...spec, secrets: ['SIM_SECRET'] }
    const specHash = sha256(canonical(spec))
    const byKey = chance.happens(0.4)
    const cap = quote === null ? chance.weighted({ none: 60, fair: 25, low: 8, tiny: 7 }) : 'none'
    const amount = cap === 'none' ? null : cap === 'tiny' ? BigInt(tasksOf(spec) * seatsOf(spec) + copiesOf(spec) - 1) : cap === 'low' ? 500n : BigInt(chance.between(200_000, 1_000_000))
    const sent: Submit = {
      kind: 'submit', buyer: this.#user, id: byKey ? null : (this.#world.id(`job_${this.#user.slice(4)}`) as JobId), key: byKey ? `submit:${this.#user}:${n}` : null,
      bodyHash: sha256(`${specHash} ${quote} ${amount}`), spec, specHash, quote, cap: amount, noWait: chance.happens(0.1), ...(spec.secrets ? { sealed: `sealed of ${n}` } : {}),
    }
    this.#sent.push(sent)
    if (this.#sent.length > 30) this.#sent.shift()
    this.#ask(sent)
  }

  #ask(sent: Submit): void {
    // As the server does: parents that have ended are read from the tables with each try.
    const ended = (sent.spec.after ?? []).flatMap(({ job }) => { const row = this.#world.db.jobs.get(job); return row && isTerminal(row.state) ? [{ job, buyer: row.buyer, state: row.state, tasks: row.tasksTotal, files: [] }] : [] })
    this.#client.ask(ended.length > 0 ? { ...sent, ended } : sent, (answer) => {
      const { world } = this.#client
      if (isRefusal(answer)) {
        if (answer.refusal === 'parent_failed' || answer.refusal === 'parent_not_found') world.saw('submit refused: parent')
        if (answer.refusal === 'insufficient_funds') { world.saw('submit refused: funds'); if (world.chance.happens(0.7)) this.#topup(1_000_000n) }
        if (answer.refusal === 'cap_too_low') world.saw('submit refused: cap')
        if (answer.refusal === 'idempotency_conflict') world.saw('submit conflict')
        if (answer.refusal === 'quote_expired') world.saw('quote expired')
        return
      }
      const { job, replayed } = answer as Submitted
      if (replayed) { world.saw('submit replayed'); return }
      if (sent.quote) world.saw('submit with quote')
      if (job.parents) world.saw(job.parents.readyAt === null ? 'child waited for a parent' : 'child of an ended parent')
      this.#jobs.push(job.id)
      if (this.#jobs.length > 40) this.#jobs.shift()
      if (sent.spec.priority === 10 && world.chance.happens(0.5)) world.time.after(world.chance.between(100, 20_000), () => this.#hold(job.id, true))
      if (sent.spec.checkpoint ? sent.spec.priority !== 1 : sent.spec.priority === 10) world.time.after(world.chance.between(5_000, 200_000), () => this.#move(job.id))
      if (world.chance.happens(0.12)) world.time.after(world.chance.between(100, 120_000), () => this.#cancel(job.id))
    })
  }

  #quoted(): void {
    const spec = this.#spec(), { world } = this.#client
    this.#client.ask({ kind: 'quote', buyer: this.#user, spec, specHash: sha256(canonical(spec)) }, (answer) => {
      if (isRefusal(answer)) return
      const thinks = world.chance.happens(0.2) ? world.chance.between(280_000, 400_000) : world.chance.between(500, 60_000)
      world.time.after(thinks, () => { if (world.stormy) this.#submit(spec, (answer as { id: QuoteId }).id) })
    })
  }

  #move(job: JobId): void {
    const { world } = this.#client, { chance } = world
    const to = chance.happens(0.5) && world.machines.length > 0 ? chance.pick(world.machines).node : null
    this.#client.ask({ kind: 'move', job, to, task: null }, (answer) => {
      if (isRefusal(answer)) { if (answer.refusal === 'cannot_move') world.saw('move refused'); else if (answer.refusal === 'not_found') world.fail('I10', `the acknowledged job ${job} is not found`, [job]); return }
      if (chance.happens(0.5)) world.time.after(chance.between(1_000, 60_000), () => this.#move(job))
    })
  }

  #cancel(job: JobId): void {
    this.#client.ask({ kind: 'cancel', job }, (answer) => {
      if (!isRefusal(answer)) { if ((answer as { state: string }).state === 'running') this.#client.world.saw('cancel while running'); return }
      if (answer.refusal === 'job_ended') this.#client.world.saw('cancel refused: ended')
      else this.#client.world.fail('I10', `the acknowledged job ${job} is answered with ${answer.refusal}`, [job])
    })
  }

  /** Held back for a while, longer than some are willing to wait for a node. It goes on for sure, also after the storm. */
  #hold(job: JobId, paused: boolean): void {
    const { world } = this.#client
    this.#client.ask({ kind: 'pause', job, paused }, (answer) => {
      if (isRefusal(answer)) { if (answer.refusal !== 'job_ended') world.fail('I10', `the acknowledged job ${job} is answered with ${answer.refusal}`, [job]); return }
      if (!paused) return
      world.saw('job held back')
      world.time.after(world.chance.between(1_000, 1_200_000), () => this.#hold(job, false))
    })
  }

  #topup(amount: bigint): void {
    const sent = { kind: 'topup', user: this.#user, amount, provider: 'demo', key: `t${this.#made++}`, bodyHash: `${amount}` } as const
    this.#topups.push(sent)
    this.#client.ask(sent, (answer) => this.#toppedUp(answer))
  }
  #toppedUp(answer: unknown): void {
    if (isRefusal(answer)) { if (answer.refusal === 'idempotency_conflict') this.#client.world.saw('topup conflict') } else if ((answer as { replayed: boolean }).replayed) this.#client.world.saw('topup replayed')
  }
}

const pricesAt = (cpuHour: number) => PriceSheet.parse({ start: '20', cpuHour: String(cpuHour), memoryGibHour: '100000', spotPercent: 50 })

export class Seller {
  readonly #world: World
  readonly #client: Client
  readonly #name: string
  readonly #owner: UserId
  // Chance of its own: payouts do not shift what others draw.
  readonly #purse
  #asked: Extract<Command, { kind: 'payout' }>[] = []
  machine: Machine | null = null
  #paused = false

  constructor(world: World, name: string, owner: UserId, honest: boolean) {
    this.#world = world
    this.#client = new Client(world)
    this.#name = name
    this.#owner = owner
    this.#purse = virtualChance(world.options.seed, `purse of ${name}`)
    this.#join(name, honest, () => { this.#next(); this.#policy(); this.#rule(); this.#payOut(); this.#lookAfter(honest) })
  }
  #join(name: string, honest: boolean, then: () => void): void {
    const world = this.#world, owner = this.#owner
    const capacity = { cpuMillis: world.chance.pick([2000, 4000, 8000]), memoryBytes: 8 * GIB, diskBytes: 100 * GIB, gpus: 0 }
    const tokenHash = sha256(`token ${name}`)
    this.#client.ask({ kind: 'enrolment', owner, tokenHash, name }, () => {
      this.#client.ask({ kind: 'enrol', tokenHash, body: {
        token: 'x'.repeat(20), publicKey: sha256(name).slice(0, 43), proof: 'x'.repeat(86), name, region: 'local', labels: {}, capacity, prices: pricesAt(world.chance.between(500_000, 2_000_000)), agentVersion: '0.1.0',
      } }, (answer) => {
        if (isRefusal(answer)) world.fail('L3', `${name} cannot enrol: ${answer.refusal}`)
        this.machine = new Machine(world, (answer as NodeRow).id, owner, capacity, honest)
        world.machines.push(this.machine)
        this.machine.start()
        then()
      })
    })
  }

  #next(): void {
    this.#world.time.after(this.#world.chance.exponential(900_000), () => {
      if (!this.#world.stormy) return
      if (this.#world.chance.happens(0.4)) this.#price()
      else this.#will(!this.#paused)
      this.#next()
    })
  }
  /** A self-test now and then; and some day the machine is replaced by another, when nothing runs there. */
  #lookAfter(honest: boolean): void {
    const care = virtualChance(this.#world.options.seed, `care of ${this.#name}`)
    let replaced = 0
    const again = (): void => this.#world.time.after(care.exponential(900_000), () => {
      if (!this.#world.stormy || !this.machine) return
      const { node } = this.machine
      if (care.happens(0.7)) this.#client.ask({ kind: 'askTest', node }, (answer) => { if (!isRefusal(answer)) this.#world.saw('self-test asked') })
      else this.#client.ask({ kind: 'retire', node }, (answer) => {
        if (isRefusal(answer)) { if (answer.refusal === 'node_has_work') this.#world.saw('removal refused: work') } else if (this.machine?.node === node) {
          this.#world.saw('node removed')
          this.machine = null
          this.#paused = false
          this.#join(`${this.#name}-${++replaced}`, honest, () => undefined)
        }
      })
      again()
    })
    again()
  }
  #payOut(): void {
    const purse = this.#purse, world = this.#world
    world.time.after(purse.exponential(600_000), () => {
      if (!world.stormy) return
      const balance = world.db.balances.get(account.earned(this.#owner)) ?? 0n
      const before = this.#asked.length > 0 && purse.happens(0.15) ? purse.pick(this.#asked) : null
      // Some ask for more than has cleared.
      const sent = before ?? { kind: 'payout', user: this.#owner, amount: purse.happens(0.15) ? balance + 1_000n : balance > 200n ? balance / BigInt(purse.between(1, 3)) : 100n, provider: 'demo', destination: this.#name, key: `p${this.#asked.length}:${this.#name}`, bodyHash: this.#name } as const
      if (!before) this.#asked.push(sent)
      this.#client.ask(sent, (answer) => {
        if (isRefusal(answer)) { if (answer.refusal === 'insufficient_earnings') world.saw('payout refused: earnings') } else if ((answer as { replayed: boolean }).replayed) world.saw('payout replayed')
      })
      this.#payOut()
    })
  }
  #price(): void {
    if (!this.machine) return
    this.#world.saw('price change')
    this.#client.ask({ kind: 'price', node: this.machine.node, prices: pricesAt(this.#world.chance.between(400_000, 2_500_000)) }, () => undefined)
  }
  /** Half of them have a rule, now each week and now by a sum; one that was stopped is set anew. */
  #rule(): void {
    const world = this.#world, chance = (this.#rules ??= virtualChance(world.options.seed, `rule of ${this.#name}`))
    world.time.after(chance.exponential(900_000), () => {
      if (!world.stormy) return
      const when = chance.happens(0.3) ? { kind: 'weekly' as const, day: chance.pick(['wed', 'thu'] as const) } : { kind: 'cleared' as const, amount: String(chance.between(100, 3_000)) }
      this.#client.ask(chance.happens(0.15) ? { kind: 'dropPayoutRule', user: this.#owner } : { kind: 'setPayoutRule', user: this.#owner, rule: { when, provider: 'demo', destination: this.#name } }, () => undefined)
      this.#rule()
    })
  }
  #rules: ReturnType<typeof virtualChance> | null = null
  /** What it takes changes now and then; after the storm it takes all again. */
  #policy(): void {
    const world = this.#world, { machine } = this
    if (!machine) return
    const chance = (this.#wishes ??= virtualChance(world.options.seed, `policy of ${this.#name}`))
    world.time.after(chance.exponential(900_000), () => {
      if (!world.stormy) return
      world.saw('policy changed')
      this.#client.ask({ kind: 'policy', node: machine.node, policy: { ...OPEN_POLICY, gangs: chance.happens(0.7), refusedTags: chance.happens(0.5) ? ['scraping'] : [] } }, () => undefined)
      this.#policy()
    })
  }
  #wishes: ReturnType<typeof virtualChance> | null = null
  #will(paused: boolean): void {
    if (!this.machine) return
    this.#world.saw('seller pause')
    this.#paused = paused
    this.#world.note(`${this.machine.node} ${this.#name} ${paused ? 'pauses' : 'opens'}`)
    const drains = paused && Math.floor(this.#world.now) % 2 === 0
    if (drains) this.#world.saw('node drained')
    this.#client.ask({ kind: 'will', node: this.machine.node, will: drains ? 'draining' : paused ? 'paused' : 'open' }, () => undefined)
    if (paused) this.#world.time.after(this.#world.chance.between(30_000, 400_000), () => { if (this.#paused && this.#world.stormy) this.#will(false) })
  }
  /** After the storm everyone is open for work again. */
  open(): void {
    if (this.#paused) this.#will(false)
    if (this.machine) this.#client.ask({ kind: 'policy', node: this.machine.node, policy: OPEN_POLICY }, () => undefined)
  }
}
