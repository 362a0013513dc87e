// Who watches. After every commit: is what was written allowed, given what stood there before? At quiet moments: is memory what the tables would
// give? While sandboxes run: may they? And when the storm is over and three hours have passed: has everything come to an end?
//
// The invariants have numbers; docs/benchmarks/mutations.md says what each means. I17 (an order book that is never crossed) does not apply: there
// is no book.
import { ATTEMPT, JOB, PAYOUT, REVERSAL, SLOT, TASK, busyReason, gangRoom, holdsNode, isLive, isOpen, isPart, partBillOf, isTerminal, neighbours, neverReason, requirementOf, termsOf, worstCost } from '@lumaris/domain'
import type { AttemptRow, EntryRow, FaultRow, ForfeitRow, JobRow, MarketState, MatchingPauseRow, NodeRow, PayoutRow, PayoutRuleRow, ReversalRow, ScheduleRow, SlotRow, TaskRow, TickRow } from '@lumaris/domain'
import { CAUSES, GIB, account, canonical, isExternal, isRefusal, slotId, taskId } from '@lumaris/protocol'
import type { Capacity, JobEvent, MeshPeer, NodeId } from '@lumaris/protocol'
import type { Command, Submitted } from '@lumaris/domain'
import { slotKey } from './database.ts'
import type { Written } from './database.ts'
import { loadState } from './load.ts'
import { copiesOf, mayEndAt, seatsOf, tasksOf, unitsOf } from './people.ts'
import { Evidence } from './evidence.ts'
import { PurseAuditor } from './purses.ts'
import { waitKey } from './waiting.ts'
import { sha256 } from './world.ts'
import type { World } from './world.ts'
import type { Writer } from './writer.ts'
import type { AgentProcess, Box } from './agent-process.ts'

/** How often a writer looks at its clock. */
const CLOCK_MS = 1_500

const moves = (table: Readonly<Record<string, Readonly<Partial<Record<string, string>>>>>, from: string, to: string): boolean => from === to || Object.values(table[from] ?? {}).includes(to)

export class Auditor {
  readonly #world: World
  #acknowledged = new Set<string>()
  #jobOfKey = new Map<string, string>()
  #started = new Set<string>()
  #held = new Set<string>()
  #paused: readonly MatchingPauseRow[] = []
  #runningExclusive = new Map<string, Box[]>()
  /** When an attempt's end was committed. */
  #endedAt = new Map<string, number>()

  readonly #evidence: Evidence
  /** Checkpoints that agents took, by the hash of their list. */
  readonly #taken = new Map<string, { attempt: string; slot: string; fence: number; number: number }>()

  readonly #purses: PurseAuditor

  constructor(world: World) { this.#world = world; this.#evidence = new Evidence(world); this.#purses = new PurseAuditor(world) }

  // Commits

  committed(epoch: number, written: readonly Written[]): void {
    const { db } = this.#world, world = this.#world
    if (epoch !== db.epoch) world.fail('I9b', `a write under epoch ${epoch} was accepted in epoch ${db.epoch}`)
    const jobs = new Set<string>(), nodes = new Set<string>()
    for (const { change, before } of written) {
      switch (change.kind) {
        case 'job': this.#job(before as JobRow | undefined, change.row); jobs.add(change.row.id); break
        case 'task': this.#evidence.concluded(before as TaskRow | undefined, change.row); this.#task(before as TaskRow | undefined, change.row); jobs.add(change.row.job); break
        case 'attempt': this.#evidence.judged(before as AttemptRow | undefined, change.row); this.#attempt(before as AttemptRow | undefined, change.row); jobs.add(change.row.job); nodes.add(change.row.node); break
        case 'node': this.#node(before as NodeRow | undefined, change.row); nodes.add(change.row.id); break
        case 'schedule': this.#schedule(before as ScheduleRow | undefined, change.row); break
        case 'lesson': this.#evidence.learned(change.row); break
        case 'event': this.#event(change.row); break
        case 'tick': this.#tick(change.row); break
        case 'forfeit': this.#forfeit(before as ForfeitRow | undefined, change.row); break
        case 'fault': this.#fault(before as FaultRow | undefined, change.row); break
        case 'payoutRule': this.#payoutRule(before as PayoutRuleRow | undefined, change.row, written); break
        case 'payout': this.#payout(before as PayoutRow | undefined, change.row); break
        case 'reversal': this.#reversal(before as ReversalRow | undefined, change.row); break
        case 'entry': this.#entry(change.row); for (const { from, to } of change.row.postings) for (const name of [from, to]) if (name.startsWith('escrow:')) jobs.add(name.slice('escrow:'.length)); break
        default:
      }
    }
    this.#purses.committed(written)
    // What an admin does leaves its line in the very commit of its effect.
    const acts = written.filter(({ change, before }) => change.kind === 'person' || change.kind === 'settings' || (change.kind === 'fault' && change.row.appeal !== null && change.row.appeal.state !== 'open') || (change.kind === 'entry' && change.row.id.startsWith('deposit:')) || (change.kind === 'reversal' && change.row.state !== 'expired') || (change.kind === 'node' && JSON.stringify(change.row.cordon) !== JSON.stringify((before as NodeRow | undefined)?.cordon))).length, lines = written.filter(({ change }) => change.kind === 'action').length
    if (acts !== lines) world.fail('I36', `${acts} acts of admins with ${lines} lines in their log`)
    for (const { change, before } of written) if (change.kind === 'attempt' && !before && db.nodes.get(change.row.node)?.cordon) world.fail('I44', `${change.row.id} is offered to ${change.row.node}, which an operator holds back`, [change.row.id, change.row.node])
    // In the order in which it was decided: what was handed over before operators paused it stays.
    for (const { change, before } of written) {
      if (change.kind === 'settings') this.#paused = change.row.pauses?.filter(({ endedAt }) => endedAt === null) ?? []
      if (change.kind === 'attempt' && !before) this.#whilePaused(change.row)
    }
    for (const job of jobs) this.#jobAfter(job)
    for (const node of nodes) this.#nodeAfter(node)
  }

  /** I48: nothing starts of what operators have paused. */
  #whilePaused(row: AttemptRow): void {
    const { db } = this.#world, region = db.nodes.get(row.node)?.region ?? '', gpus = db.jobs.get(row.job)?.spec.resources.gpus ?? 0
    const pause = this.#paused.find(({ scope }) => (scope.regions?.includes(region) ?? true) && (scope.levels?.includes(row.level) ?? true) && (!scope.gpus || gpus > 0))
    if (pause) this.#bound.fail('I48', `${row.id} begins on ${row.node} although ${pause.id} lets nothing new start of ${JSON.stringify(pause.scope)}`, [row.id, row.node])
  }

  #job(before: JobRow | undefined, row: JobRow): void {
    const { fail } = this.#bound
    // Values are there as long as a try may need them, and not a turn longer.
    if ((row.sealed !== undefined) !== (row.spec.secrets !== undefined && !isTerminal(row.state))) fail('I11', `${row.id} is ${row.state} and ${row.sealed === undefined ? 'has lost its secrets' : 'still has secrets'}`, [row.id])
    if (row.paused) this.#held.add(row.id)
    else this.#held.delete(row.id)
    if (!before) { if (row.version !== 0 || row.state !== 'queued') fail('I11', `${row.id} begins as ${row.state}`, [row.id]); return }
    if (before.buyer !== row.buyer || before.cap !== row.cap || before.attemptCap !== row.attemptCap || before.bodyHash !== row.bodyHash) fail('I15', `${row.id} was made twice`, [row.id])
    if (!moves(JOB, before.state, row.state)) fail('I11', `${row.id} goes from ${before.state} to ${row.state}`, [row.id])
    if (row.version < before.version || row.cost < before.cost) fail('I9', `${row.id} goes back in version or cost`, [row.id])
    if (isTerminal(before.state) && (row.cost !== before.cost || row.refunded !== before.refunded || row.cause !== before.cause)) fail('I11', `${row.id} has ended and changes`, [row.id])
  }

  #task(before: TaskRow | undefined, row: TaskRow): void {
    const { fail } = this.#bound
    if (!before) return
    // The end may move either way and the beginning on, but only while nobody has any of its slots.
    const moved = before.piece && (row.piece?.of !== before.piece.of || row.piece.from < before.piece.from || ((row.piece.from !== before.piece.from || row.piece.to !== before.piece.to) && !before.slots.every(({ state }) => state === 'pending')))
    if (before.piece && moved) fail('I41', `${row.job}.${row.index} was ${before.piece.from}-${before.piece.to} (${before.slots.map(({ state }) => state).join()}) and is ${row.piece?.from}-${row.piece?.to}`, [row.job])
    if (row.piece && before.piece && row.piece.to > before.piece.to) this.#world.saw('parts joined')
    if (row.state === 'joined' && (row.piece?.from !== row.piece?.to || !row.slots.every(({ state }) => state === 'dropped'))) fail('I41', `${row.job}.${row.index} was joined and has ${row.piece?.from}-${row.piece?.to} left`, [row.job])
    if (!moves(TASK, before.state, row.state)) fail('I11', `task ${row.job}.${row.index} goes from ${before.state} to ${row.state}`, [row.job])
    row.slots.forEach((slot, i) => {
      const old = before.slots[i]
      if (!old) return
      if (!moves(SLOT, old.state, slot.state)) fail('I11', `slot ${row.job}.${row.index}.${i} goes from ${old.state} to ${slot.state}`, [row.job])
      if (slot.fence < old.fence) fail('I9', `the fence of ${row.job}.${row.index}.${i} goes from ${old.fence} to ${slot.fence}`, [row.job])
      if (slot.state === 'assigned' && old.state === 'pending' && slot.fence !== old.fence + 1) fail('I9', `the fence of ${row.job}.${row.index}.${i} does not grow by one`, [row.job])
    })
  }

  #attempt(before: AttemptRow | undefined, row: AttemptRow): void {
    const { fail } = this.#bound, world = this.#world
    if (row.detail === 'the metering chain is broken' || row.detail === 'the meter ran backwards') fail('H1', `the honest node ${row.node} is blamed for ${row.id}: ${row.detail}`, [row.id, row.node])
    if (row.state === 'ended' && before?.state !== 'ended') {
      this.#endedAt.set(row.id, world.now)
      world.note(`${row.id} of ${row.job}.${row.task}.${row.slot} on ${row.node} ends: ${row.cause} ${row.detail ?? ''}`)
      const process = world.machines.find((machine) => machine.node === row.node)?.processes.find((one) => one.alive && one.state.session === row.session)
      if (process && row.detail === 'the agent no longer knows of it' && process.boxes.get(row.id)?.over === false) fail('H2', `${row.id} runs on ${row.node} and is ended because of an old list`, [row.id, row.node])
      if (row.detail === 'the offer was not taken up in time') {
        world.saw('offer not taken up')
        const lease = process ? (process.now - process.state.leaseFrom) / process.rate : Infinity
        // Whose wire is cut just now cannot hear; a lease of seconds does not show it when a new writer's clock, ahead of the last one's, ends the offer early (seed 41 of the small market).
        const cut = process?.machine.cutUp || process?.machine.cutDown
        if (process && !process.paused && !cut && process.connectedSince < world.now - 15_000 && lease < 11_000 && !process.state.seen.has(row.id)) fail('H3', `${row.id} was never heard of by ${row.node}, which was connected all the time`, [row.id, row.node])
      }
      else if (row.cause === 'seller_refused') world.saw('attempt refused')
      if (row.detail === 'the agent restarted without it' || row.detail === 'the agent no longer knows of it') world.saw('amnesia')
    }
    if (row.evidence && !before?.evidence) world.saw('late result kept as evidence')
    if (row.state === 'invalid') world.saw('result invalid')
    if (!before) this.#parents(row)
    if (!before) {
      if (row.state !== 'offered') fail('I11', `${row.id} begins as ${row.state}`, [row.id])
      if (this.#held.has(row.job)) fail('I31', `${row.id} is offered although ${row.job} is held back`, [row.id, row.job])
      this.#allowed(row)
      this.#planned(row)
      this.#goesOn(row); return
    }
    if (!moves(ATTEMPT, before.state, row.state)) fail('I11', `${row.id} goes from ${before.state} to ${row.state}`, [row.id])
    if (before.fence !== row.fence || before.node !== row.node || before.job !== row.job || before.slot !== row.slot || before.prices !== row.prices) fail('I11', `${row.id} is another attempt now`, [row.id])
    if (row.session < before.session || row.leaseGen < before.leaseGen || row.tickSeq < before.tickSeq) fail('I9', `${row.id} goes back in session, lease or ticks`, [row.id])
    if (row.displaced && !before.displaced && row.as === 'firm') fail('I43', `${row.id} is firm and told to make place`, [row.id])
    if (!before.moving && row.moving) world.saw('moved')
    if (before.moving && !row.moving) world.saw('move failed')
    if (before.saved?.number !== row.saved?.number) {
      world.saw(row.saved?.kind === 'memory' ? 'memory taken along' : 'checkpoint stored')
      const taken = this.#taken.get(row.saved?.manifest ?? '')
      // A memory that nobody could restore counts for nothing: what was stored before it does.
      if ((before.saved?.kind === 'memory' || before.saved?.kind === 'live') && row.saved?.manifest === before.filed?.manifest) { if (row.billed !== null && row.saved === undefined) fail('I29', `${row.id} is paid for a memory of no use`, [row.id]) }
      else if (!row.saved || taken?.attempt !== row.id || taken.fence !== row.fence || row.saved.number <= (before.saved?.number ?? row.resumes?.saved.number ?? 0)) fail('I33', `${row.id} has the checkpoint ${row.saved?.number}, which it did not take`, [row.id])
    }
    if (before.billed !== null && row.billed !== before.billed) fail('I6', `${row.id} is billed again`, [row.id])
  }

  /** I32: a moment of a schedule makes one job or none, under one id, in the commit that says so; and what is held and spent stays below its budget. */
  #schedule(before: ScheduleRow | undefined, row: ScheduleRow): void {
    const { fail } = this.#bound, { db } = this.#world, [last] = row.firings
    if (BigInt(row.committed) > BigInt(row.budget ?? '9'.repeat(30))) fail('I32', `${row.id} has ${row.committed} of its budget of ${row.budget} spent or held`)
    const held = row.running.reduce((sum, id) => sum + BigInt(db.jobs.has(id) ? row.cap : 0), 0n)
    if (held > BigInt(row.committed)) fail('I32', `${row.id} holds ${held} and says ${row.committed}`)
    if (!last || (before?.firings[0]?.due ?? -1) >= last.due) return
    if (row.nextAt !== null && row.nextAt <= last.due) fail('I32', `${row.id} fires ${last.due} again at ${row.nextAt}`)
    if (last.job) { const moment = `${row.id} ${last.due}`; if (this.#moments.has(moment)) fail('I32', `${moment} fired twice`, [last.job]); this.#moments.add(moment) }
    if (last.job && db.jobs.get(last.job)?.schedule !== row.id) fail('I32', `${row.id} says it made ${last.job}`, [last.job])
    this.#world.saw(last.outcome === 'submitted' ? (last.at - last.due > 5_000 ? 'schedule fired late' : 'schedule fired') : last.outcome === 'skipped' ? 'schedule skipped' : 'schedule refused')
  }
  readonly #moments = new Set<string>()
  /** As the changes come: what clears and is taken back in one commit has cleared before. */
  readonly #takenBack = new Set<string>()

  /** I50: nothing is offered to a node that its owner does not take, as the policy stood in the last commit before; counted here on its own. */
  #allowed(row: AttemptRow): void {
    const { db } = this.#world, spec = db.jobs.get(row.job)?.spec, policy = db.nodes.get(row.node)?.policy
    if (!spec || !policy) return
    if (spec.gang && !policy.gangs) this.#world.fail('I50', `${row.id} of a gang is offered to ${row.node}, which takes none`, [row.id])
    if (spec.tags?.some((tag) => policy.refusedTags.includes(tag))) this.#world.fail('I50', `${row.id} is offered to ${row.node}, which refuses ${policy.refusedTags.join()}`, [row.id])
    if ((row.decision.refused.owner_tag ?? 0) + (row.decision.refused.owner_gang ?? 0) > 0) this.#world.saw('kept from what its owner refuses')
  }
  /** I30: nothing of a job is offered before all that it comes after have completed. */
  #parents(row: AttemptRow): void {
    const { db } = this.#world, job = db.jobs.get(row.job)
    for (const { job: parent } of job?.spec.after ?? []) {
      if (db.jobs.get(parent)?.state !== 'completed') this.#bound.fail('I30', `${row.id} of ${row.job} is offered while its parent ${parent} is ${db.jobs.get(parent)?.state}`, [row.job, parent])
      this.#world.saw('child ran after its parents')
    }
  }

  /** What it goes on from is the newest that was stored under a smaller fence of its slot, and its terms are what that one has left. */
  #goesOn(row: AttemptRow): void {
    const { db } = this.#world, { fail } = this.#bound
    const earlier = [...(db.attemptsOfJob.get(row.job) ?? [])].map((id) => db.attempts.get(id)!).filter((one) => slotKey(one) === slotKey(row) && one.id !== row.id)
    const newest = earlier.filter(({ saved }) => saved).sort((a, b) => b.fence - a.fence)[0], { resumes } = row
    if (newest?.id !== resumes?.attempt) return fail('I33', `${row.id} goes on from ${resumes?.attempt}, the newest checkpoint is of ${newest?.id}`, [row.id])
    if (!resumes || !newest) return
    if (newest.piece?.from !== row.piece?.from || newest.piece?.to !== row.piece?.to) fail('I41', `${row.id} of ${row.piece?.from}-${row.piece?.to} goes on from what ${newest.id} has done of ${newest.piece?.from}-${newest.piece?.to}`, [row.id])
    if (newest.fence >= row.fence || newest.saved?.number !== resumes.saved.number || newest.saved.manifest !== resumes.saved.manifest) fail('I33', `${row.id} under fence ${row.fence} goes on from checkpoint ${resumes.saved.number} of fence ${newest.fence}`, [row.id, newest.id])
    // The memory it goes on from is paid when it has; till then it is set aside.
    let aside = 0n
    for (let one: AttemptRow | undefined = resumes.memory ? newest : undefined; one?.billed === null; one = one.resumes?.saved.kind === 'live' ? db.attempts.get(one.resumes.attempt) : undefined) aside += partBillOf(db.jobs.get(row.job)!, one)
    const spent = aside + earlier.reduce((sum, { billed, cause }) => sum + (cause === 'preempted' ? 0n : billed ?? 0n), 0n)
    if (spent !== BigInt(resumes.spent)) fail('I34', `${row.id} takes ${resumes.spent} for paid, it is ${spent}`, [row.id])
  }

  #node(before: NodeRow | undefined, row: NodeRow): void {
    const { fail } = this.#bound
    if (!before) return
    if (row.session < before.session || row.leaseGen < before.leaseGen) fail('I9', `${row.id} goes back in session or lease`, [row.id])
    if (row.session > before.session + 1) fail('I9', `${row.id} skips a session`, [row.id])
    if (row.presence === 'lost' && before.presence !== 'lost') { this.#world.saw('node lost'); this.#world.note(`${row.id} is lost`) }
    if (row.session !== before.session) this.#world.note(`${row.id} has session ${row.session} (${row.bootId})`)
  }

  #event(row: JobEvent): void {
    const world = this.#world
    world.note(`${row.job} v${row.version} ${row.type} ${row.state} ${row.attempt ?? ''} ${row.node ?? ''} ${row.cause ?? ''}`)
    if (row.type === 'ended') {
      if (row.state === 'completed') world.saw('job completed')
      if (row.state === 'failed') world.saw('job failed')
      if (row.state === 'failed' && (world.db.jobs.get(row.job)?.tasksDone ?? 0) > 0 && world.db.jobs.get(row.job)?.spec.onFailure === 'finish') world.saw('the rest finished after a failure')
      if (row.cause === 'parent_failed') world.saw('child ended with its parent')
      if (row.state === 'cancelled') world.saw('job cancelled')
      const job = world.db.jobs.get(row.job)
      if (job?.spec.plan && row.state === 'expired' && row.at >= (job.spec.deadline ?? 0) && !job.detail) this.#bound.fail('I43', `${row.job} missed its deadline, and no reason is recorded`, [row.job])
      if (row.state === 'expired') { world.saw('job expired'); if (row.at >= (world.db.jobs.get(row.job)?.spec.deadline ?? Infinity)) world.saw('deadline missed') }
    }
    if (row.type === 'plan') { if (row.state === 'in time') world.saw('plan: in time'); if (row.state.startsWith('late')) world.saw('plan: late'); if (row.state.startsWith('firm')) world.saw('plan: became firm') }
    if (row.type === 'settled' && row.amount !== '0') {
      const cause = world.db.attempts.get(row.attempt ?? '')?.cause
      if (cause === 'buyer_exit' || cause === 'buyer_limit') world.saw('paid for a failing program')
      if (cause === 'buyer_cancelled') world.saw('paid on cancel')
    }
    if (row.type === 'fallback') world.saw('concession made')
    if (row.type === 'task' && row.state === 'failed' && row.cause !== 'buyer_exit' && row.cause !== 'buyer_limit' && row.cause !== 'wrong_result') world.saw('retries used up')
  }

  #payout(before: PayoutRow | undefined, row: PayoutRow): void {
    const { fail } = this.#bound, { db } = this.#world
    this.#world.note(`${row.id} of ${row.user} is ${row.state}, ${row.amount}`)
    if (before ? !moves(PAYOUT, before.state, row.state) : row.state !== 'requested') fail('I37', `payout ${row.id} goes from ${before?.state} to ${row.state}`, [row.id])
    if (before && (before.amount !== row.amount || before.user !== row.user)) fail('I37', `payout ${row.id} is another one now`, [row.id])
    const held = db.balances.get(account.payout(row.id)) ?? 0n, last = db.payouts.get(row.id), isOpen = last?.state === 'requested' || last?.state === 'sent'
    if (held !== (isOpen ? row.amount : 0n)) fail('I37', `payout ${row.id} is ${last?.state} and holds ${held} of ${row.amount}`, [row.id])
  }

  /** I52: an ending is told of once, of the node that it ended on; one appeal for each, by its owner, decided once by somebody else. */
  #fault(before: FaultRow | undefined, row: FaultRow): void {
    const world = this.#world, attempt = world.db.attempts.get(row.attempt), about = [row.attempt]
    if (!before) {
      if (attempt?.node !== row.node || attempt.seller !== row.owner || row.appeal) world.fail('I52', `${row.attempt} is told of as a fault of ${row.node}`, about)
      return
    }
    const [was, is] = [before.appeal?.state ?? 'none', row.appeal?.state ?? 'none']
    if (!((was === 'none' && is === 'open') || (was === 'open' && (is === 'accepted' || is === 'refused')))) world.fail('I52', `the appeal of ${row.attempt} goes from ${was} to ${is}`, about)
    if (row.appeal?.by === row.owner) world.fail('I52', `${row.owner} has decided on ${row.attempt}`, about)
    if (row.at !== before.at || row.cause !== before.cause || row.aspects.join() !== before.aspects.join()) world.fail('I52', `${row.attempt} was another fault`, about)
    world.saw(is === 'open' ? 'appeal made' : is === 'accepted' ? 'appeal accepted' : 'appeal refused')
  }
  /** I51: a moment of a rule pays once or not at all, in the commit that says so, and nothing says `byRule` without one. */
  #payoutRule(before: PayoutRuleRow | undefined, row: PayoutRuleRow, written: readonly Written[]): void {
    const world = this.#world, { last } = row
    if (row.state === 'stopped' && before?.state === 'active') world.saw('rule stopped')
    if (!last || last === before?.last || (before?.last && last.at === before.last.at && last.payout === before.last.payout)) return
    if (before?.state !== 'active') world.fail('I51', `${row.user} has a rule that is ${before?.state} and was served`)
    if (last.payout === null) return
    world.saw('paid by a rule')
    const made = written.filter(({ change, before: old }) => change.kind === 'payout' && old === undefined && change.row.id === last.payout && change.row.byRule === true && change.row.user === row.user && change.row.amount === BigInt(last.amount))
    if (made.length !== 1) world.fail('I51', `a rule of ${row.user} says ${last.payout}, which is not in its commit`, [last.payout])
    const { when } = row.rule, moment = `${row.user} ${when.kind === 'weekly' ? last.due : last.payout}`
    if (when.kind === 'weekly' && (row.nextAt ?? 0) <= last.at) world.fail('I51', `${row.user} is paid for ${last.due} and again at ${row.nextAt}`)
    if (when.kind === 'cleared' && BigInt(last.amount) < BigInt(when.amount)) world.fail('I51', `${row.user} is paid ${last.amount}, below ${when.amount}`)
    if (this.#moments.has(`rule ${moment}`)) world.fail('I51', `a rule of ${moment} paid twice`, [last.payout])
    this.#moments.add(`rule ${moment}`)
  }
  /** I39: only for a result that three others have outvoted, once, out of what is pending, never what was cleared, and no more than the debt but for one earning. */
  #forfeit(before: ForfeitRow | undefined, row: ForfeitRow): void {
    const { fail } = this.#bound, { db } = this.#world, wrong = db.attempts.get(row.attempt), about = [row.attempt, row.job]
    const against = [...(db.attemptsOfJob.get(row.job) ?? [])].map((id) => db.attempts.get(id)!).filter((one) => one.task === wrong?.task && one.state === 'valid' && !one.referee)
    if (wrong?.state !== 'invalid' || wrong.seller !== row.owner || new Set(against.map(({ seller }) => seller)).size < 3) fail('I39', `${row.owner} owes for ${row.attempt}, which is ${wrong?.state} against ${against.length}`, about)
    if (before ? before.state !== 'due' || row.state !== 'done' || before.most !== row.most : row.state !== 'due' || row.taken !== 0n) fail('I39', `the debt for ${row.attempt} goes from ${before?.state} to ${row.state}`, about)
    if (row.state !== 'done') return
    const earned = row.of.map((id) => { const one = db.attempts.get(id); return one?.seller === row.owner ? (one.billed ?? 0n) - (one.fee ?? 0n) : -1n }), sum = earned.reduce((total, one) => total + one, 0n), largest = earned.reduce((most, one) => (one > most ? one : most), 0n)
    const entry = db.entries.get(`forfeit:${row.attempt}`), moved = entry?.postings.reduce((total, { amount }) => total + amount, 0n) ?? 0n
    if (sum !== row.taken || moved !== row.taken || earned.includes(-1n) || row.taken - largest >= row.most || entry?.postings.some(({ from, to }) => from !== account.pending(row.owner) || to !== account.insurance)) fail('I39', `${row.taken} is taken for ${row.attempt}, ${moved} moved, of at most ${row.most}`, about)
    if (row.of.some((id) => this.#forfeited.has(id) || db.entries.has(`release:${id}`))) fail('I39', `what is taken for ${row.attempt} was taken or cleared before`, about)
    for (const id of row.of) { this.#forfeited.add(id); this.#takenBack.add(id) }
  }
  readonly #forfeited = new Set<string>()

  /** Two people, once, and exactly what was moved before. */
  #reversal(before: ReversalRow | undefined, row: ReversalRow): void {
    const { fail } = this.#bound, { db } = this.#world
    if (row.state === 'expired') this.#world.saw('reversal expired')
    if (before ? !moves(REVERSAL, before.state, row.state) : row.state !== 'proposed') fail('I35', `${row.id} goes from ${before?.state} to ${row.state}`, [row.id])
    if (row.state !== 'done') return
    if (row.attempt) this.#takenBack.add(row.attempt)
    if (row.decidedBy === null || row.decidedBy === row.proposedBy) fail('I35', `${row.id} was made by ${row.decidedBy} alone`, [row.id])
    const made = db.entries.get(`reversal:${row.entry}`), wrong = db.entries.get(row.entry)
    if (wrong?.kind === 'forfeit' && row.attempt) { const debt = db.forfeits.get(row.attempt); if (debt) { this.#world.saw('record given back'); this.#evidence.givenBack(debt) } }
    if (!made || !wrong || made.postings.length !== wrong.postings.length || made.postings.some(({ amount }, i) => amount !== wrong.postings[i]?.amount)) fail('I35', `${row.id} does not move back what ${row.entry} moved`, [row.id])
  }

  #entry(row: EntryRow): void {
    const { db } = this.#world
    if (!row.attempt || (row.kind !== 'release' && row.kind !== 'reversal')) return
    const cleared = db.entries.get(`release:${row.attempt}`), job = db.attempts.get(row.attempt)?.job ?? ''
    if (row.kind === 'release' && this.#takenBack.has(row.attempt)) this.#bound.fail('I35', `what ${row.attempt} earned was taken back, and clears`, [row.attempt, job])
    // Taken from where the money is: a seller pays back what has cleared from what has cleared.
    if (row.kind === 'reversal' && row.postings.some(({ from }) => from.startsWith('seller:') && from.endsWith(':available') !== (cleared !== undefined))) this.#bound.fail('I35', `${row.id} takes from the wrong account of the seller`, [row.attempt, job])
  }

  #tick(row: TickRow): void {
    const { db } = this.#world, { fail } = this.#bound
    const { hash, ...tick } = row
    const chain = db.ticks.get(row.attempt) ?? []
    const before = chain[row.seq - 2]
    const attempt = db.attempts.get(row.attempt), job = db.jobs.get(attempt?.job ?? '')
    if (!attempt || !job) return fail('I18', `a tick of the unknown attempt ${row.attempt}`)
    const first = (): string => sha256(canonical(termsOf(job, attempt)))
    if (row.prev !== (before ? before.hash : first()) || hash !== sha256(canonical(tick))) fail('I18', `tick ${row.seq} of ${row.attempt} does not follow`, [row.attempt])
  }

  /** The rows of a job belong together. */
  #jobAfter(id: string): void {
    const { db } = this.#world, { fail } = this.#bound
    const job = db.jobs.get(id)
    if (!job) return fail('I10', `money moves for the unknown job ${id}`, [id])
    const escrow = db.balances.get(account.escrow(job.id)) ?? 0n
    const tasks = db.tasks.get(id) ?? [], attempts = [...(db.attemptsOfJob.get(id) ?? [])].map((attempt) => db.attempts.get(attempt)!)
    const seats = tasks.flatMap((task) => task.slots).filter((slot) => slot.state !== 'done' && slot.state !== 'dropped').length
    if (isTerminal(job.state)) {
      if (escrow !== 0n) fail('I5a', `${id} is ${job.state} and its escrow holds ${escrow}`, [id])
      if (seats > 0 || attempts.some((attempt) => isLive(attempt.state))) fail('I11', `${id} is ${job.state} and something of it is still open`, [id])
      if (tasks.some((task) => isOpen(task.state))) fail('I11', `${id} is ${job.state} and a task of it is open`, [id])
      if (job.state === 'completed' && tasks.some(({ state }) => state !== 'done' && state !== 'joined')) fail('I11', `${id} is completed and not all its tasks are done`, [id])
      if (job.cost + job.refunded !== job.cap) fail('I8b', `${id} has a cap of ${job.cap} and paid ${job.cost} + ${job.refunded}`, [id])
    } else {
      if (escrow !== job.cap - job.cost) fail('I5b', `${id} should have ${job.cap - job.cost} in escrow and has ${escrow}`, [id])
      // What was kept of interrupted attempts is paid out of what their seat may cost.
      const parts = attempts.reduce((sum, attempt) => { const slot = tasks[attempt.task]?.slots[attempt.slot]; return sum + (isPart(attempt) && slot && slot.state !== 'done' && slot.state !== 'dropped' ? attempt.billed ?? 0n : 0n) }, 0n)
      if (escrow + parts < job.attemptCap * BigInt(seats)) fail('I5b', `${id} has ${escrow} for ${seats} open seats at ${job.attemptCap}`, [id])
    }
    if (job.cost > job.cap) fail('I8b', `${id} costs ${job.cost} of at most ${job.cap}`, [id])
    if (job.version !== (db.events.get(id)?.at(-1)?.version ?? 0)) fail('I16', `${id} is at version ${job.version}, its last event is another`, [id])
    const counts = { tasksRunning: 'running', tasksDone: 'done', tasksFailed: 'failed' } as const
    for (const [field, state] of Object.entries(counts) as [keyof typeof counts, string][]) {
      const count = tasks.filter((task) => task.state === state).length
      if (job[field] !== count) fail('I16', `${id} says ${field} ${job[field]}, there are ${count}`, [id])
    }
    for (const task of tasks) task.slots.forEach((slot, i) => this.#slot(task, slot, i))
    for (const attempt of attempts) this.#attemptAfter(job, attempt)
    if (job.spec.gang) this.#gang(job, tasks, attempts)
    for (const task of tasks) this.#copies(job, task, attempts)
    this.#late(job, tasks, attempts)
    this.#pieces(job, tasks, attempts)
    this.#spread(job, attempts)
    this.#cost(job, attempts)
  }

  #slot(task: TaskRow, slot: SlotRow, index: number): void {
    const { db } = this.#world, { fail } = this.#bound
    const live = [...(db.liveBySlot.get(slotKey({ job: task.job, task: task.index, slot: index })) ?? [])].map((id) => db.attempts.get(id)!)
    const name = `${task.job}.${task.index}.${index}`, [only] = live
    if (live.length > 1) fail('I8', `two live attempts on ${name}`, [task.job])
    if (only && (only.fence !== slot.fence || slot.attempt !== only.id)) fail('I8', `${only.id} is live under fence ${only.fence}, slot ${name} has ${slot.fence}`, [only.id, task.job])
    if (slot.state === 'assigned' && !(only && holdsNode(only.state))) fail('I14', `slot ${name} is assigned and nothing holds it`, [task.job])
    if (slot.state === 'reported' && only?.state !== 'reported') fail('I14', `slot ${name} is reported and no result waits`, [task.job])
    if (only && slot.state !== 'assigned' && slot.state !== 'reported') fail('I8', `${only.id} is live and slot ${name} is ${slot.state}`, [only.id, task.job])
    if (slot.state === 'pending' && !isOpen(task.state)) fail('I14', `slot ${name} waits in a task that is ${task.state}`, [task.job])
  }

  #attemptAfter(job: JobRow, attempt: AttemptRow): void {
    const { fail } = this.#bound
    if (attempt.billed === null || attempt.billed === 0n) return
    const slot = this.#world.db.tasks.get(job.id)?.[attempt.task]?.slots[attempt.slot]
    if (attempt.cause === 'preempted') return this.#displaced(attempt)
    if (isPart(attempt)) return this.#part(job, attempt)
    if (attempt.state !== 'valid' && !(attempt.state === 'ended' && attempt.cause && CAUSES[attempt.cause].bears === 'buyer')) fail('I7', `${attempt.id} is paid and ${attempt.state} (${attempt.cause})`, [attempt.id])
    if (slot?.fence !== attempt.fence) fail('I7', `${attempt.id} is paid under fence ${attempt.fence}, its slot has ${slot?.fence}`, [attempt.id])
    if (attempt.billed > job.attemptCap - BigInt(attempt.resumes?.spent ?? 0)) fail('I7', `${attempt.id} costs ${attempt.billed}, above ${job.attemptCap} less ${attempt.resumes?.spent ?? 0}`, [attempt.id])
    const entry = this.#world.db.entries.get(this.#world.db.settledSlots.get(slotKey(attempt)) ?? '')
    if (entry?.attempt !== attempt.id) return fail('I7', `${attempt.id} is billed and its slot was settled for ${entry?.attempt}`, [attempt.id])
    const sum = entry.postings.reduce((total, posting) => total + posting.amount, 0n)
    if (sum !== attempt.billed || entry.postings.some((posting) => posting.to !== account.fee && posting.to !== account.pending(attempt.seller))) fail('I7', `${entry.id} pays ${sum} or the wrong seller`, [attempt.id])
  }

  /** What was kept of an interrupted attempt: its time up to its last checkpoint, at its own prices; and with all of its slot, never above the cap of one attempt. */
  #part(job: JobRow, attempt: AttemptRow): void {
    const { fail } = this.#bound, { db } = this.#world, { saved, prices } = attempt, billed = attempt.billed ?? 0n
    const hours = (price: string, units: number): bigint => BigInt(price) * BigInt(Math.round(units * 1000)) * BigInt(saved?.runMs ?? 0) / 3_600_000_000n
    const { cpuMillis, memoryBytes, diskBytes, gpus } = job.spec.resources
    const most = hours(prices.cpuHour, cpuMillis / 1000) + hours(prices.memoryGibHour, memoryBytes / GIB) + hours(prices.diskGibHour, diskBytes / GIB) + hours(prices.gpuHour, gpus) + 4n
    if (!saved || billed > most) fail('I34', `${attempt.id} is paid ${billed} for what was kept of it, ${saved?.runMs ?? 0} ms at ${most}`, [attempt.id])
    const all = [...(db.attemptsOfJob.get(job.id) ?? [])].map((id) => db.attempts.get(id)!).filter((one) => slotKey(one) === slotKey(attempt) && one.cause !== 'preempted')
    const sum = all.reduce((total, one) => total + (one.billed ?? 0n), 0n)
    if (sum > job.attemptCap) fail('I34', `the slot ${slotKey(attempt)} costs ${sum}, above ${job.attemptCap}`, [attempt.id])
    const entry = db.entries.get(db.settledSlots.get(`${slotKey(attempt)}:${attempt.fence}`) ?? '')
    if (entry?.attempt !== attempt.id || entry.postings.reduce((total, { amount }) => total + amount, 0n) !== billed || entry.postings.some(({ to }) => to !== account.fee && to !== account.pending(attempt.seller))) fail('I34', `${attempt.id} is billed ${billed}, and ${entry?.id} says otherwise`, [attempt.id])
    this.#world.saw(saved?.kind === 'memory' ? 'memory paid when gone on from' : 'kept work paid')
  }

  /** Interruptible work that made place: paid once, by who took the place, at most what was agreed then. */
  #displaced(attempt: AttemptRow): void {
    const { fail } = this.#bound, { db } = this.#world, { displaced } = attempt
    const entry = db.entries.get(`displace:${attempt.id}`)
    if (!displaced || !entry || attempt.billed === null) return fail('I7', `${attempt.id} made place, is billed ${attempt.billed}, and no entry says who pays`, [attempt.id])
    if (attempt.billed > BigInt(displaced.most)) fail('I7', `${attempt.id} costs ${attempt.billed}, above the ${displaced.most} agreed`, [attempt.id, displaced.by])
    if (entry.postings.reduce((sum, { amount }) => sum + amount, 0n) !== attempt.billed || entry.postings.some(({ from, to }) => from !== account.escrow(displaced.by) || (to !== account.fee && to !== account.pending(attempt.seller)))) fail('I7', `${entry.id} pays another sum, or another seller, or another pays`, [attempt.id])
    this.#world.saw('place taken and paid')
  }

  /** What a job was billed is what its own attempts cost, and the places it took. */
  #cost(job: JobRow, attempts: readonly AttemptRow[]): void {
    const own = attempts.reduce((sum, attempt) => sum + (attempt.cause === 'preempted' ? 0n : attempt.billed ?? 0n), 0n)
    if (job.cost !== own + job.displaced) this.#bound.fail('I27', `${job.id} costs ${job.cost}: ${own} for its attempts, ${job.displaced} for places`, [job.id])
    if (job.displaced > BigInt(job.spec.displace ?? 0) * BigInt(seatsOf(job.spec) * tasksOf(job.spec) + copiesOf(job.spec))) this.#bound.fail('I27', `${job.id} paid ${job.displaced} for places, above its ${job.spec.displace} each`, [job.id])
    if (job.spec.interruptible && attempts.some(({ state }) => state === 'valid')) this.#world.saw('interruptible work ended well')
  }

  #copies(job: JobRow, task: TaskRow, attempts: readonly AttemptRow[]): void {
    const { fail } = this.#bound
    const all = attempts.filter((attempt) => attempt.task === task.index && attempt.state === 'valid'), valid = all.filter(({ referee }) => !referee)
    const referees = all.filter(({ referee }) => referee), owners = new Set(attempts.flatMap((one) => (one.task === task.index && !one.referee && (isLive(one.state) || one.state === 'valid' || one.state === 'invalid') ? [one.seller] : [])))
    if (referees.some(({ seller }) => owners.has(seller)) || new Set(referees.map(({ seller, referee }) => `${seller} ${referee?.of} ${referee?.with}`)).size < referees.length) fail('I45', `somebody compares the results of ${job.id}.${task.index} who gave one of them, or is asked twice`, [job.id])
    if (task.cause === 'referee_failed') this.#evidence.failed(job, task, attempts)
    if (task.state === 'done' && valid.length < job.spec.copies) fail('I13', `task ${job.id}.${task.index} is done with ${valid.length} of ${job.spec.copies} copies`, [job.id])
    if (valid.length === 0) return
    if (task.cause === 'referee_failed') return
    if (valid.length < job.spec.copies || new Set(valid.map((attempt) => attempt.seller)).size < job.spec.copies) fail('I13', `the ${valid.length} results of ${job.id}.${task.index} are not from ${job.spec.copies} owners`, [job.id])
    const blocks = valid.flatMap(({ node }) => this.#world.db.nodes.get(node)?.block ?? [])
    if (new Set(blocks).size < blocks.length) fail('I13', `two results of ${job.id}.${task.index} come from ${blocks.join(' and ')}`, [job.id])
    if (job.spec.copies > 1) this.#world.saw(attempts.some((attempt) => attempt.task === task.index && attempt.state === 'invalid') ? 'copies disagreed' : 'copies agreed')
  }

  /** One copy of a task at most, with another owner, within the share; one result of a task counts, however many tries it had. */
  #late(job: JobRow, tasks: readonly TaskRow[], attempts: readonly AttemptRow[]): void {
    const { fail } = this.#bound, { spec } = job
    if (spec.copies > 1 || spec.assurance) return
    const twice = tasks.filter((task) => task.slots.length > 1)
    if (twice.length > copiesOf(spec)) fail('I38', `${twice.length} tasks of ${job.id} have copies, ${copiesOf(spec)} may`, [job.id])
    for (const task of twice) {
      const own = attempts.filter((attempt) => attempt.task === task.index), valid = own.filter((attempt) => attempt.state === 'valid'), live = own.filter((attempt) => holdsNode(attempt.state))
      if (task.slots.length > 2) fail('I38', `${job.id}.${task.index} has ${task.slots.length} slots`, [job.id])
      if (valid.length > 1) fail('I38', `${valid.length} results of ${job.id}.${task.index} count`, [job.id])
      if (live.length > 1 && new Set(live.map((attempt) => attempt.seller)).size < live.length) fail('I38', `both tries of ${job.id}.${task.index} run with one owner`, [job.id])
      if (task.state === 'done' && task.result !== valid[0]?.id) fail('I38', `${job.id}.${task.index} is done with ${task.result}`, [job.id])
      if (own.filter((attempt) => (attempt.billed ?? 0n) > 0n).length > 2) fail('I38', `more than two tries of ${job.id}.${task.index} are paid`, [job.id])
      this.#world.saw('copy of what is late')
      if (task.state === 'done') this.#world.saw(valid[0]?.slot === 1 ? 'copy won' : 'first try won')
      if (task.state === 'running' && task.slots.some((slot) => slot.state === 'dropped')) this.#world.saw('one of two tries lost')
    }
  }

  /** Whole or not at all, at every commit; and its results are of one and the same try. */
  #gang(job: JobRow, tasks: readonly TaskRow[], attempts: readonly AttemptRow[]): void {
    const { fail } = this.#bound, live = attempts.filter((attempt) => isLive(attempt.state)).length
    if (!isTerminal(job.state) && !job.cancelling && live !== 0 && live !== tasks.length) fail('I29', `${live} of the ${tasks.length} ranks of ${job.id} have a seat`, [job.id])
    if (job.state === 'completed') {
      this.#world.saw('gang completed')
      if (new Set(attempts.flatMap((attempt) => (attempt.state === 'valid' ? [attempt.offeredAt] : []))).size !== 1) fail('I29', `the results of ${job.id} are not of one try of its gang`, [job.id])
    }
    if (attempts.some((attempt) => attempt.cause === 'peer_lost' && attempt.billed)) fail('I29', `a rank of ${job.id} was billed although another was lost`, [job.id])
    if (live > 0 && attempts.some((attempt) => attempt.cause === 'peer_lost')) this.#world.saw('gang began again')
  }
  /** A rank begins: the market has named every rank of its gang, once, with this very attempt. */
  gangStarts({ order }: Box, peers: readonly MeshPeer[]): void {
    const ranks = peers.map((peer) => peer.rank)
    if (ranks.length !== order.gang?.size || ranks.some((rank, i) => rank !== i) || peers[order.gang.rank]?.attempt_id !== order.attempt_id) this.#bound.fail('I29', `${order.attempt_id} begins with ${ranks.join()} of ${order.gang?.size} ranks`, [order.attempt_id])
    for (const { attempt_id: id } of peers) if (!this.#world.db.attempts.get(id)?.mesh) this.#bound.fail('I29', `${order.attempt_id} begins before it is stored that ${id} is ready`, [id])
  }

  /** The parts of its input touch each other and cover it, at every commit; a result is of the part that its task is; and what is merged in the end has every byte once, each paid once. */
  #pieces(job: JobRow, tasks: readonly TaskRow[], attempts: readonly AttemptRow[]): void {
    const { fail } = this.#bound, { spec } = job
    if (!spec.divide) { if (tasks.some(({ piece }) => piece) || tasks.length !== spec.tasks.length) fail('I41', `${job.id} is not to be cut and was`, [job.id]); return }
    const parts = tasks.filter(({ state }) => state !== 'joined'), units = unitsOf(spec)
    if (tasks.length > tasksOf(spec) || parts.length !== job.tasksTotal) fail('I41', `${job.id} has ${tasks.length} tasks, says ${job.tasksTotal}, and may have ${tasksOf(spec)}`, [job.id])
    let at = 0
    for (const { piece, index } of parts.toSorted((a, b) => (a.piece?.from ?? 0) - (b.piece?.from ?? 0))) {
      if (piece?.from !== at || piece.to <= at || !mayEndAt(spec, piece.to)) return fail('I41', `${job.id}.${index} begins at ${piece?.from} and ends at ${piece?.to}, the one before it ends at ${at}`, [job.id])
      at = piece.to
    }
    if (at !== units) fail('I41', `the parts of ${job.id} end at ${at} of ${units}`, [job.id])
    for (const { id, task, piece, state } of attempts) {
      const now = tasks[task]?.piece
      if ((isLive(state) || state === 'valid') && (piece?.from !== now?.from || piece?.to !== now?.to)) fail('I41', `${id} is of ${piece?.from}-${piece?.to}, its task ${job.id}.${task} is ${now?.from}-${now?.to} by now`, [job.id, id])
      if (piece && now && piece.to > now.to) this.#world.saw('part cut anew')
    }
    if (job.state !== 'completed') return
    const merged = parts.map(({ result }) => attempts.find(({ id }) => id === result)?.piece).toSorted((a, b) => (a?.from ?? 0) - (b?.from ?? 0))
    if (merged.some((piece, i) => piece?.from !== (i === 0 ? 0 : merged[i - 1]?.to)) || merged.at(-1)?.to !== units) fail('I41', `the results of ${job.id}, merged, are not its input`, [job.id])
    if (spec.copies === 1 && !spec.assurance) {
      const paid = attempts.reduce((sum, { piece, state, billed }) => sum + (state === 'valid' && (billed ?? 0n) > 0n && piece ? piece.to - piece.from : 0), 0)
      if (paid > units) fail('I41', `${job.id} pays for ${paid} of ${units} units`, [job.id])
    }
    if (spec.tasks[0]?.items && parts.length > 1) this.#world.saw(`${spec.tasks[0].items.kind} cut`)
    if (tasks.length > 1) this.#world.saw(tasks.length === tasksOf(spec) ? 'cut into as many parts as may be' : 'cut while it ran')
  }

  #spread(job: JobRow, attempts: readonly AttemptRow[]): void {
    const { spread } = job.spec.placement
    if (spread === undefined || job.spec.copies > 1) return
    const places = attempts.flatMap((attempt) => (holdsNode(attempt.state) ? [spread === 'owner' ? attempt.seller : attempt.node] : []))
    if (new Set(places).size < places.length) this.#bound.fail('I26', `${job.id} asks to be spread by ${spread}, and two of its tasks run on ${places.join()}`, [job.id])
    if (places.length > 1) this.#world.saw('spread kept apart')
  }

  #nodeAfter(id: string): void {
    const { db } = this.#world, { fail } = this.#bound
    const node = db.nodes.get(id)
    if (!node) return
    let cpu = 0, memory = 0
    for (const live of this.#liveOn(node.id)) {
      const { resources } = db.jobs.get(live.job)!.spec
      if (holdsNode(live.state)) { cpu += resources.cpuMillis; memory += resources.memoryBytes }
      if (live.session !== node.session && live.state !== 'reported') fail('I24', `${live.id} is live in session ${live.session} of ${id}, which is in ${node.session}`, [live.id, id])
      if (node.presence === 'lost' && live.state !== 'reported' && db.jobs.get(live.job)!.spec.disconnect === 'wait') this.#world.saw('wait kept its place')
    }
    if (cpu > node.capacity.cpuMillis || memory > node.capacity.memoryBytes) fail('I12', `${id} has ${cpu} of ${node.capacity.cpuMillis} thousandths of a core reserved`, [id])
  }

  *#liveOn(node: NodeId): Iterable<AttemptRow> {
    const { db } = this.#world
    for (const job of db.openJobs) for (const id of db.attemptsOfJob.get(job) ?? []) {
      const row = db.attempts.get(id)
      if (row?.node === node && isLive(row.state)) yield row
    }
  }

  // Answers to people

  answered(command: Command, answer: unknown): void {
    if (isRefusal(answer) || command.kind !== 'submit') return
    const { job } = answer as Submitted, { fail } = this.#bound
    this.#acknowledged.add(job.id)
    if (!this.#world.db.jobs.has(job.id)) fail('I10', `${job.id} is acknowledged and not stored`, [job.id])
    if (job.bodyHash !== command.bodyHash) fail('I15', `a request is answered with ${job.id}, which has another body`, [job.id])
    const key = command.key ?? command.id
    if (!key) return
    const earlier = this.#jobOfKey.get(key)
    if (earlier && earlier !== job.id) fail('I15', `${key} was answered with ${earlier}, now with ${job.id}`, [earlier, job.id])
    this.#jobOfKey.set(key, job.id)
  }

  // Checkpoints

  saved({ attempt_id: attempt, slot_id: slot, fence }: Box['order'], number: number, manifest: string): void { this.#taken.set(manifest, { attempt, slot, fence, number }) }

  // Sandboxes

  /** What a program is given is the part that was agreed on: every piece of it, or every item and nothing else. */
  #getsItsPart({ order: { attempt_id: id, inputs, terms: { range }, payload: { args }, job_id: job } }: Box): void {
    const { fail } = this.#bound, file = inputs.find(({ pieces }) => pieces), task = this.#world.db.jobs.get(job)?.spec.tasks[0]
    if (!task?.items) { if (range?.from !== file?.from || range?.to !== file?.to || (file && file.pieces?.at(-1)?.to !== file.to)) fail('I41', `${id} gets ${file?.from}-${file?.to} and agreed on ${range?.from}-${range?.to}`, [id]); return }
    const { from, to } = range as { from: number; to: number }, given = args.slice(-(task.items.kind === 'files' ? inputs.length : task.items.kind === 'range' ? 2 : to - from)), { items } = task
    let end = 0
    const files = (task.inputs ?? []).filter(({ size }) => { const begin = end; end += size || 1; return begin >= from && end <= to }).map(({ path }) => path as string)
    const wanted = items.kind === 'list' ? items.values.slice(from, to) : items.kind === 'range' ? [1 + 2 * from, 1 + 2 * (to - 1)].map(String) : files
    if (given.join() !== wanted.join() || (items.kind === 'files' && inputs.map(({ path }) => path as string).join() !== files.join())) fail('I41', `${id} is told ${given.join().slice(0, 100)} and agreed on ${from}-${to}`, [id])
    if (given.length > 200) fail('I41', `${id} is told ${given.length} items`, [id])
  }

  boxStarts(process: AgentProcess, box: Box): void {
    const { order } = box, { fail } = this.#bound, { node } = process.machine
    this.#world.note(`${node} ${process.boot} starts ${order.attempt_id} of ${order.slot_id} fence ${order.fence}`)
    if (this.#started.has(order.attempt_id)) fail('I20', `${order.attempt_id} starts a second time, on ${node}`, [order.attempt_id, node])
    this.#started.add(order.attempt_id)
    // A dispatch may be under way while its offer ends, but only as long as a dead connection goes unnoticed.
    const endedAt = this.#endedAt.get(order.attempt_id)
    if (endedAt !== undefined && this.#world.now - endedAt > 60_000) fail('I25', `${order.attempt_id} starts on ${node} ${Math.round((this.#world.now - endedAt) / 1000)} s after it ended`, [order.attempt_id, node])
    if (!process.disk.some((record) => record.type === 'accept' && record.order.attempt_id === order.attempt_id)) fail('I22', `${order.attempt_id} runs on ${node} and is not in its journal`, [order.attempt_id, node])
      // A referee gets two whole results, and no part of an input.
      if (order.env.LUMARIS_REFEREE === undefined) this.#getsItsPart(box)
    if (order.resume) {
      const taken = this.#taken.get(order.resume.manifest)
      this.#world.saw('went on from a checkpoint')
      if (taken?.slot !== order.slot_id || taken.fence >= order.fence || taken.number !== order.resume.number) fail('I33', `${order.attempt_id} under fence ${order.fence} starts from checkpoint ${taken?.number} of fence ${taken?.fence}`, [order.attempt_id])
    }
    this.#running(box)
  }
  boxStops(process: AgentProcess, box: Box): void {
    this.#world.note(`${process.machine.node} has ended the sandbox of ${box.order.attempt_id}`)
    this.#runs.delete(box)
    this.#notExclusive(box)
  }
  /** It is somewhere else as well: from now on one of the two runs. */
  boxStands(box: Box): void { this.#runs.delete(box); this.#notExclusive(box) }
  boxGoesOn(box: Box): void { this.#running(box) }
  /** I44: what has come from elsewhere while it ran does not run there as well, whatever the job allows of others. */
  #running(box: Box): void {
    const { order } = box, { fail } = this.#bound
    for (const other of this.#runs) if (other !== box && other.order.slot_id === order.slot_id && (order.resume?.memory?.attempt === other.order.attempt_id && order.resume.kind === 'live' || other.order.resume?.memory?.attempt === order.attempt_id && other.order.resume.kind === 'live')) fail('I44', `${order.attempt_id} and ${other.order.attempt_id} are one machine, and both run`, [order.job_id, order.attempt_id, other.order.attempt_id])
    this.#runs.add(box)
    if (order.disconnect !== 'exclusive') return
    const running = this.#runningExclusive.get(order.slot_id) ?? []
    running.push(box)
    this.#runningExclusive.set(order.slot_id, running)
    if (running.length > 1) fail('I21', `two attempts of the exclusive slot ${order.slot_id} run: ${running.map((one) => one.order.attempt_id).join(', ')}`, [order.job_id, ...running.map((one) => one.order.attempt_id), ...running.map((one) => one.order.terms.node)])
  }
  readonly #runs = new Set<Box>()
  #notExclusive(box: Box): void {
    const running = this.#runningExclusive.get(box.order.slot_id)?.filter((one) => one !== box) ?? []
    if (running.length > 0) this.#runningExclusive.set(box.order.slot_id, running)
    else this.#runningExclusive.delete(box.order.slot_id)
  }

  /** I23: what the market has ended does not run on at a node that hears the market; and nothing runs for ever at one that does not. */
  watchBoxes(): void {
    const { machines, now, db } = this.#world, { fail } = this.#bound
    for (const machine of machines) for (const process of machine.processes) {
      if (!process.alive || process.paused) continue
      const lease = (process.now - process.state.leaseFrom) / process.rate
      for (const box of process.boxes.values()) {
        if (box.over || box.killed) continue // what is told to end has its grace
        const id = box.order.attempt_id, endedAt = this.#endedAt.get(id)
        if (endedAt !== undefined && now - endedAt > 75_000 && lease < 15_000) fail('I23', `${id} ended ${Math.round((now - endedAt) / 1000)} s ago and runs on ${machine.node}, which has been told`, [id, machine.node])
        if (!db.attempts.has(id)) fail('I22', `${id} runs on ${machine.node} and was never committed`, [id, machine.node])
        if (lease > 32 * 60_000 && box.startedAt < now - 60_000) fail('I23', `${id} runs on ${machine.node} ${Math.round(lease / 60_000)} minutes after its last lease`, [id, machine.node])
      }
    }
  }

  // Quiet moments

  /** Nothing is under way in this writer: memory must be what the tables would give, and whoever waits must wait for a reason. */
  quiet(writer: Writer): void {
    const world = this.#world, { fail } = this.#bound, { db } = world
    if (writer.epoch !== db.epoch) return
    world.saw('quiet moment compared')
    const loaded = loadState(db, writer.now, world.settings, world.guards)
    const mine = outlineOf(writer.state, writer.now), theirs = outlineOf(loaded, writer.now)
    for (const [name, value] of Object.entries(theirs)) {
      const own = mine[name] as string
      if (own !== value) fail('memory', `${name} in memory is not what the tables say: ${firstDifference(own, value)}`, firstDifference(own, value).match(/(?:job|att|nod|pay|rev)_\w+/g) ?? [])
    }
    for (const [name, balance] of writer.state.accounts) if (balance !== (db.balances.get(name) ?? 0n)) fail('I3', `${name} is ${balance} in memory and ${db.balances.get(name)} in the tables`, [name])
    this.#waiting(writer)
    this.#overdue(writer)
    this.#ledger()
  }

  /** I43: what is placed is what its slot is, and firm work of a plan is never told to make place. */
  #planned(row: AttemptRow): void {
    const job = this.#world.db.jobs.get(row.job), slot = this.#world.db.tasks.get(row.job)?.[row.task]?.slots[row.slot]
    if (job?.spec.plan === undefined) { if (row.as) this.#bound.fail('I43', `${row.id} is ${row.as}, and ${row.job} has no plan`, [row.id]); return }
    if (row.as !== (slot?.firm ? 'firm' : 'interruptible')) this.#bound.fail('I43', `${row.id} is ${row.as}, and its slot ${slot?.firm ? 'is firm' : 'is not firm'}`, [row.id, row.job])
    this.#world.saw(row.as === 'firm' ? 'plan: firm' : 'plan: interruptible')
  }

  /** I43: past the moment at which what is stored could only just be done as firm work, it is firm, or on its way; counted here on its own, for nodes as quick as was said. */
  #overdue(writer: Writer): void {
    const { settings } = this.#world
    for (const { row, tasks } of writer.state.jobs.values()) {
      const { spec } = row
      if (spec.plan === undefined || row.cancelling || row.paused || isTerminal(row.state)) continue
      for (const task of tasks) {
        const slot = task.slots[0], attempt = slot?.attempt ? writer.state.attempts.get(slot.attempt) : undefined
        if (!slot || task.state === 'waiting' || slot.firm || (slot.state !== 'pending' && slot.state !== 'assigned')) continue
        const savedMs = spec.checkpoint === undefined ? 0 : Math.max(slot.kept?.runMs ?? 0, attempt?.saved ? (attempt.resumes?.runMs ?? 0) + attempt.saved.runMs : 0)
        const late = writer.now - ((spec.deadline ?? 0) - Math.max(0, (spec.expectedMs ?? 0) - savedMs) - settings.changeMs) - CLOCK_MS
        if (slot.state === 'pending' && late > 0) this.#bound.fail('I43', `${row.id}.${task.index} waits as interruptible ${late} ms after its last moment`, [row.id])
        // What runs is asked again and again; it may be just starting, or making place. Without checkpoints it goes on to its end.
        const leftMs = (spec.expectedMs ?? 0) - (attempt?.resumes?.runMs ?? 0) - (attempt?.usage.runMs ?? 0), lost = (spec.deadline ?? 0) - writer.now < Math.max(0, leftMs)
        if (attempt?.state === 'running' && !lost && late > 4 * settings.spotEveryMs && spec.checkpoint && attempt.as === 'interruptible' && !attempt.moving && !attempt.displaced) this.#bound.fail('I43', `${attempt.id} runs as interruptible ${late} ms after its last moment`, [row.id, attempt.id])
      }
    }
  }

  #waiting(writer: Writer): void {
    const { state, waits } = writer, { fail } = this.#bound
    for (const live of state.jobs.values()) for (const task of live.tasks) task.slots.forEach((slot, index) => {
      if (slot.state !== 'pending' || live.row.cancelling || live.row.paused || task.state === 'waiting') return
      if (live.row.spec.gang && task.index > 0) return // rank 0 waits for all of them
      const key = waitKey({ job: live.row.id, task: task.index, slot: index, fence: slot.fence })
      // Sold every half minute: it need not have what is free this moment, but must stand where the next sale looks.
      const sold = live.row.spec.plan ? slot.firm === undefined : live.row.spec.interruptible !== undefined
      const queued = sold ? state.spot.get(slotId(taskId(live.row.id, task.index), index))?.fence === slot.fence : waits.queued.has(key)
      if (!queued && !waits.backoff.has(`${live.row.id}.${task.index}.${index}`)) fail('I14', `slot ${key} waits, and stands neither in the queue nor under a timer`, [live.row.id])
      if (!queued || sold || slot.notBefore > writer.now || writer.now < (slot.move?.until ?? 0) + CLOCK_MS) return // the clock may not have run since
      if (live.row.spec.gang) {
        const room = gangRoom(state, live, writer.now)
        if (room.seats >= room.ranks && state.displacing.size === 0 && live.tasks.every((other) => other.slots[0]!.state === 'pending' && other.slots[0]!.notBefore <= writer.now && !waits.backoff.has(`${live.row.id}.${other.index}.0`))) fail('I14', `the gang ${live.row.id} sleeps while there are ${room.seats} seats for it`, [live.row.id])
        return
      }
      const others = live.row.spec.copies === 1 && !live.row.spec.assurance && task.slots.length === 1 ? [] : live.attempts.filter((attempt) => attempt.task === task.index && attempt.slot !== index && !(attempt.referee && slot.referee && `${attempt.referee.of} ${attempt.referee.with}` !== `${slot.referee.of} ${slot.referee.with}`) && (isLive(attempt.state) || attempt.state === 'valid' || attempt.state === 'invalid' || attempt.referee !== undefined))
      const beside = live.row.spec.speculate ? [] : others.flatMap(({ node }) => state.nodes.get(node) ?? [])
      const need = { ...requirementOf(live.row, slot, others.map((attempt) => attempt.seller), neighbours(state, live.row, task)), beside }
      const kept = new Set([...state.displacing.values()].map(({ node }) => node))
      for (const node of state.nodes.values()) {
        if (kept.has(node.id)) continue // for firm work whose place is being made there
        if (busyReason(state, node, need, writer.now) || neverReason(node, need) || worstCost(node, need) > need.attemptCap) continue
        fail('I14', `slot ${key} sleeps while ${node.id} has room for it`, [live.row.id, node.id])
      }
    })
  }

  /** What is booked stays as it is: each entry is added up once, and frozen then. */
  readonly #fold = new Map<string, bigint>()
  #folded = 0
  #ledger(): void {
    const { db } = this.#world, { fail } = this.#bound, fold = this.#fold
    if (db.entries.size < this.#folded) fail('I1', `${this.#folded - db.entries.size} entries are gone`)
    for (const entry of [...db.entries.values()].slice(this.#folded)) {
      freeze(entry)
      for (const { from, to, amount } of entry.postings) {
        fold.set(from, (fold.get(from) ?? 0n) - amount)
        fold.set(to, (fold.get(to) ?? 0n) + amount)
      }
    }
    this.#folded = db.entries.size
    let sum = 0n
    for (const [name, balance] of fold) {
      sum += balance
      if (balance !== db.balances.get(name)) fail('I3', `${name} folds to ${balance} and stands at ${db.balances.get(name)}`, [name])
      if (balance < 0n && !isExternal(name)) fail('I2', `${name} is at ${balance}`, [name])
    }
    if (sum !== 0n) fail('I1', `all money sums to ${sum}`)
  }

  // The end

  /** Why it is not over yet, or null. */
  unfinished(): { invariant: string; message: string; about: string[] } | null {
    const { db, clients, machines, writer } = this.#world
    for (const id of db.openJobs) return { invariant: 'L1', message: `${id} is still ${db.jobs.get(id)?.state}`, about: [id] }
    for (const row of db.payouts.values()) if (row.state === 'requested' || row.state === 'sent') return { invariant: 'L6', message: `payout ${row.id} is still ${row.state}`, about: [row.id] }
    for (const [slot, live] of db.liveBySlot) if (live.size > 0) return { invariant: 'L2', message: `${[...live].join()} is live on ${slot}`, about: [...live] }
    if (clients.some((client) => client.open > 0)) return { invariant: 'L3', message: 'a client waits for an answer', about: [] }
    for (const { process, node } of machines) {
      if (db.nodes.get(node)?.will === 'retired') continue
      if (!process?.alive || !process.state.connected) return { invariant: 'L4', message: `${node} is not connected`, about: [node] }
      const [left] = process.state.attempts.keys()
      if (left) return { invariant: 'L4', message: `${node} still knows of ${left}, ${process.state.attempts.get(left)?.state}; ${process.describe()}`, about: [left, node] }
      if (process.waiting > 0) return { invariant: 'L5', message: `${node} has words that nobody has heard; ${process.describe()}`, about: [node] }
    }
    if (!writer?.idle) return { invariant: 'L3', message: 'the writer is busy', about: [] }
    return null
  }

  final(): void {
    const { db, writer } = this.#world, { fail } = this.#bound
    for (const id of this.#acknowledged) if (!db.jobs.has(id)) fail('I10', `the acknowledged job ${id} is gone`, [id])
    for (const [name, balance] of db.balances) if (name.startsWith('escrow:') && balance !== 0n) fail('I5a', `${name} holds ${balance} at the end`, [name.slice(7)])
    if (!writer) return
    this.quiet(writer)
    if (writer.state.slotsByBuyer.size > 0 || [...writer.state.attempts.values()].some((attempt) => isLive(attempt.state))) fail('memory', 'something is left in memory at the end', [...writer.state.attempts.keys()])
  }

  readonly #bound = { fail: (invariant: string, message: string, about: readonly string[] = []): never => this.#world.fail(invariant, message, about) }
}

/**
 * Rows are never changed, only replaced: each is made text once, and frozen then, so that whoever changes one all the same is told at that very line.
 * Without this the texts of whole states were a fifth of a run. A method of bigints is quicker than a function that is asked for every field; it is
 * there for as long as a text is made: elsewhere a bigint that is made JSON is a mistake that must throw.
 */
const texts = new WeakMap<object, string>()
function text(value: object): string {
  const known = texts.get(value)
  if (known !== undefined) return known
  const numbers = BigInt.prototype as { toJSON?: () => string }
  numbers.toJSON = function (this: bigint) { return `${this}n` }
  try {
    const made = JSON.stringify(freeze(value))
    texts.set(value, made)
    return made
  } finally { delete numbers.toJSON }
}
function freeze(value: unknown): unknown {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) for (const part of Object.values(Object.freeze(value))) freeze(part)
  return value
}
const sorted = (lines: Iterable<string>): string => [...lines].sort().join('\n')
const isNone = (capacity: Capacity): boolean => capacity.cpuMillis === 0 && capacity.memoryBytes === 0 && capacity.diskBytes === 0 && capacity.gpus === 0

/** A state as text that does not depend on the order things happened in. What only a living writer knows (links, timers) is left out. */
function outlineOf(state: MarketState, now: number): Record<string, string> {
  const live = [...state.jobs.values()].filter((job) => !isTerminal(job.row.state))
  return {
    jobs: sorted(live.map((job) => `${text(job.row)} open ${job.open} left ${job.left}`)),
    tasks: sorted(live.flatMap((job) => job.tasks.map(text))),
    attempts: sorted(live.flatMap((job) => job.attempts.map(text))),
    attemptsById: sorted(live.flatMap((job) => job.attempts.map(({ id }) => { const known = state.attempts.get(id); return known ? text(known) : `${id} is missing` }))),
    nodes: sorted([...state.nodes.values()].map(text)),
    lessons: sorted([...state.profiles.values(), ...state.owners.values(), ...state.cohorts.values(), ...state.speeds.values()].map(text)),
    schedules: sorted([...state.schedules.values()].map(text)), autoTopups: sorted([...state.autoTopups.values()].map(text)), members: sorted([...state.members.values()].flatMap((members) => [...members.values()].map(text))), invitations: sorted([...state.invitations.values()].map(text)),
    quotes: sorted([...state.quotes.values()].filter((quote) => quote.validUntil >= now).map(text)),
    enrolments: sorted([...state.enrolments.values()].filter((row) => row.expiresAt >= now).map(text)),
    payouts: sorted([...state.payouts.values()].map(text)),
    payoutRules: sorted([...state.payoutRules.values()].map(text)),
    reversals: sorted([...state.reversals.values()].filter((row) => row.expiresAt > now).map(text)),
    takenBack: sorted(state.takenBack),
    suspended: sorted(state.suspended),
    reserved: sorted([...state.reserved].filter(([, capacity]) => !isNone(capacity)).map(text)),
    slotsByBuyer: sorted([...state.slotsByBuyer].map(text)),
    children: sorted([...state.children].map(([parent, ids]) => `${parent} ${[...ids].sort().join(' ')}`)), waitingByBuyer: sorted([...state.waitingByBuyer].map(text)),
    attemptsByNode: sorted([...state.attemptsByNode].map(([node, ids]) => `${node} ${[...ids].sort().join(' ')}`)),
  }
}

function firstDifference(a: string, b: string): string {
  const left = new Set(a.split('\n')), right = new Set(b.split('\n'))
  const gone = [...left].find((line) => !right.has(line)), come = [...right].find((line) => !left.has(line))
  return `memory ${gone ?? '-'}\n    tables ${come ?? '-'}`
}
