// B7, gangs: the wide jobs of real logs as members on nodes, all at once or not at all, beside EASY on a machine without nodes, which no placement on
// nodes can be expected to beat: it may cut a job anywhere.
import { join } from 'node:path'
import { Heap } from '../../packages/domain/src/heap.ts'
import { endGang, passGangs } from '../../packages/domain/src/market/order/gang.ts'
import type { Booking, Gang, GangNode } from '../../packages/domain/src/market/order/gang.ts'
import { Profile } from '../../packages/domain/src/market/order/profile.ts'
import { mean } from '../figures.ts'
import { play } from './machine.ts'
import type { Part, Target } from './part.ts'
import { easy } from './policies.ts'
import { quantile } from './queueing.ts'
import { readSwf } from './swf.ts'
import type { SwfJob } from './swf.ts'
import { TraceError } from './traces.ts'

type GangJob = Gang & { readonly id: number; readonly submit: number; readonly run: number; readonly processors: number }
const LOGS = [
  { name: 'KTH', file: 'KTH-SP2-predictsim-filtered.swf', nodes: 25, perNode: 4 },
  { name: 'CTC', file: 'CTC-SP2-1996-3.1-cln.swf', nodes: 26, perNode: 13 },
] as const

/** As many members as nodes are needed, whole nodes first and the rest in one more. */
function gangOf(job: SwfJob, perNode: number): GangJob {
  const whole = Math.floor(job.processors / perNode), rest = job.processors % perNode
  return { id: job.id, submit: job.submit, run: job.run, processors: job.processors, limitMs: job.requested, members: [...Array.from({ length: whole }, () => [perNode]), ...(rest > 0 ? [[rest]] : [])] }
}

type Played = { readonly waits: ReadonlyMap<number, number>; readonly partial: number; readonly stuck: number; readonly movedBack: number }

/** First come first served, with a booking for the first who does not fit. An auditor beside it counts what is free on each node. */
function playGangs(jobs: readonly GangJob[], count: number, perNode: number): Played {
  const nodes = Array.from({ length: count }, (_, i): GangNode => ({ id: `n${String(i).padStart(3, '0')}`, profile: new Profile([perNode]) }))
  const free = new Map(nodes.map((node) => [node.id, perNode])), waits = new Map<number, number>(), promised = new Map<GangJob, number>()
  const ends = new Heap<Booking<GangJob>>()
  let waiting: GangJob[] = [], booked: readonly Booking<GangJob>[] = [], next = 0, partial = 0, movedBack = 0
  const audit = ({ gang, seats }: Booking<GangJob>, sign: number) => {
    if (seats.filter((node) => node !== undefined).length !== gang.members.length) partial++
    seats.forEach((node, i) => {
      const left = (free.get(node.id) as number) + sign * (gang.members[i]?.[0] as number)
      if (left < 0 || left > perNode) partial++
      free.set(node.id, left)
    })
  }
  while (next < jobs.length || ends.size > 0) {
    const now = Math.min(ends.peekKey() ?? Infinity, jobs[next]?.submit ?? Infinity)
    while (ends.peekKey() === now) { const one = ends.pop() as Booking<GangJob>; endGang(one, now); audit(one, 1) }
    while (jobs[next]?.submit === now) waiting.push(jobs[next++] as GangJob)
    const pass = passGangs({ nodes, now, waiting, booked, bookingsMax: 1 })
    for (const one of pass.started) { audit(one, -1); waits.set(one.gang.id, now - one.gang.submit); ends.push(now + one.gang.run, one); promised.delete(one.gang) }
    for (const { gang, at } of pass.booked) { if (at > (promised.get(gang) ?? Infinity)) movedBack++; promised.set(gang, at) }
    booked = pass.booked
    if (pass.started.length > 0) waiting = waiting.filter((job) => !waits.has(job.id))
  }
  return { waits, partial, stuck: jobs.length - waits.size, movedBack }
}

export const gangs: Part = {
  id: 'B7', title: 'Gangs', needs: LOGS.map(({ file }) => `swf/${file}`),
  // Nothing in it waits, but parts may.
  // oxlint-disable-next-line require-await
  async run({ traces, quick, progress }) {
    if (traces === null) throw new TraceError('B7 plays logs of the Parallel Workloads Archive: give their folder with --traces')
    const rows: (string | number)[][] = [], inputs: { file: string; sha256: string }[] = []
    let partial = 0, stuck = 0, movedBack = 0, all = 0
    for (const { name, file, nodes, perNode } of LOGS) {
      const swf = readSwf(join(traces, 'swf'), file, { processors: nodes * perNode, runs: 'cut' })
      inputs.push({ file: `swf/${file}`, sha256: swf.trace.sha256 })
      const jobs = quick ? swf.jobs.slice(0, 2_000) : swf.jobs, isGang = (processors: number) => processors > perNode
      progress(`B7 ${name}: EASY on the whole machine`)
      const whole = play(jobs, swf.processors, { ...easy(), together: true })
      progress(`B7 ${name}: gangs on ${nodes} nodes of ${perNode}`)
      const played = playGangs(jobs.map((job) => gangOf(job, perNode)), nodes, perNode)
      partial += played.partial; stuck += played.stuck; movedBack += played.movedBack; all += jobs.length
      const row = (what: string, waits: readonly number[]) => rows.push([name, what, waits.length, hours(mean(waits)), hours(quantile(waits, 0.99)), hours(waits.reduce((most, one) => Math.max(most, one), 0))])
      row('gangs, EASY without nodes', whole.runs.filter((run) => isGang(run.processors)).map((run) => run.wait))
      row('gangs, on nodes', jobs.filter((job) => isGang(job.processors)).map((job) => played.waits.get(job.id) ?? Infinity))
      row('on one node, EASY without nodes', whole.runs.filter((run) => !isGang(run.processors)).map((run) => run.wait))
      row('on one node, on nodes', jobs.filter((job) => !isGang(job.processors)).map((job) => played.waits.get(job.id) ?? Infinity))
    }
    const none = (what: string, measured: number): Target => ({ what, must: '0', measured: `${measured} of ${all}`, met: measured === 0 })
    return {
      id: 'B7', title: gangs.title, inputs, notes: NOTES, targets: [none('gangs that started in part, or beyond what a node has', partial), none('jobs that never started', stuck), none('bookings that moved back', movedBack)],
      tables: [{ title: 'Waiting of gangs, first come first served with one booking, beside EASY', columns: ['log', 'which', 'jobs', 'mean wait h', 'p99 wait h', 'max wait h'], rows }],
    }
  },
}
const hours = (seconds: number): string => (seconds / 3_600).toFixed(2)

const NOTES: readonly string[] = [
  'KTH on 25 nodes of 4 processors, CTC on 26 of 13. A job wider than a node is a gang of whole nodes and a rest; one that is not must fit one node, so that the machine fragments, which EASY on the whole machine does not know.',
]
