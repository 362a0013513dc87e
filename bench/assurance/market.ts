// A whole market on the real domain code: jobs are submitted, matched, reported, judged and paid as in production; only the machines and their answers are
// made up. One node per seller, one place per node; each round asks for fewer tasks than there are places, so that checks find room beside them.
import { account } from '@lumaris/protocol'
import type { Assurance, AttemptId, JobDispatch, JobId, UserId } from '@lumaris/protocol'
import { forgetJob } from '@lumaris/domain'
import type { NodeRow } from '@lumaris/domain'
import { aMarket, aSpec, aUser, credits, prices, sha256 } from '../../packages/testkit/src/build.ts'
import { virtualChance } from '../../packages/testkit/src/virtual-chance.ts'
import { countTask, newCounts } from './count.ts'
import type { Counts } from './count.ts'
import { RIGHT, answerOf, caught, sellersOf } from './sellers.ts'
import type { Kind, Seller } from './sellers.ts'

const LOAD = 0.6, TASK_MS = 600_000, DISPUTE_MS = 24 * 3_600_000
export type MarketRun = { readonly sellers: number; readonly share: number; readonly kind: Kind; readonly bound: Assurance; readonly rounds: number; readonly goodFirst: number; readonly seed: number }
type Known = { readonly seller: Seller; readonly node: NodeRow['id'] }
type Earning = { readonly attempt: AttemptId; readonly seller: UserId; readonly amount: bigint; readonly at: number }
type Task = { readonly number: number; readonly first: number; readonly answers: { seller: Seller; answer: string }[] }

export function runMarket({ sellers: count, share, kind, bound, rounds, goodFirst, seed }: MarketRun): Counts {
  const chance = virtualChance(seed, `assurance ${kind} ${share} ${bound}`), counts = newCounts(), buyer = aUser()
  const market = aMarket({ settings: { suspectMs: 1e15, lostMs: 1e15, offerMs: 1e15, demoTopupMaxMicros: 10n ** 18n }, keyed: (text) => sha256(`secret ${seed} ${text}`) })
  market.fund(buyer, credits(1e9))
  const known = new Map<string, Known>(), lately = new Map<Seller, { at: number; lie: boolean }[]>()
  for (const seller of sellersOf(count, share, kind, goodFirst)) {
    const node = market.join(seller.name, { cpuMillis: 1000, cpuHour: 1 + chance.next() * 0.2 })
    node.connect()
    known.set(node.id, { seller, node: node.id })
  }
  const spec = aSpec({ assurance: bound, limits: { runMs: 2 * TASK_MS, queueMs: 30 * 86_400_000 } }), tasks = new Map<JobId, Task>()
  // A third of the prices move each round: nobody is first for ever.
  const reprice = (): void => { for (const { node } of known.values()) if (chance.happens(1 / 3)) market.act({ kind: 'price', node, prices: prices(1 + chance.next() * 0.2) }) }
  const orders = (): JobDispatch[] => {
    const sent = market.effects.flatMap((effect) => (effect.kind === 'send' && effect.message.type === 'job_dispatch' ? [effect.message] : []))
    market.effects = []
    keepBooks()
    return sent
  }
  // What the server does beside: it clears what has waited long enough, and looks up what pays the debts for wrong results.
  const pending = new Map<AttemptId, Earning>()
  const keepBooks = (): void => {
    for (const change of market.log.splice(0)) if (change.kind === 'entry' && change.row.kind === 'settle' && change.row.attempt) for (const { to, amount } of change.row.postings) if (to !== account.fee) pending.set(change.row.attempt, { attempt: change.row.attempt, seller: to.split(':')[1] as UserId, amount, at: change.row.at })
  }
  const clear = (): void => {
    keepBooks()
    const due = [...pending.values()].filter(({ at }) => at <= market.now - DISPUTE_MS)
    if (due.length > 0) market.act({ kind: 'release', due })
    for (const { attempt } of due) pending.delete(attempt)
  }
  const forfeit = (): void => {
    if (market.state.forfeits.size === 0) return
    keepBooks()
    for (const row of Array.from(market.state.forfeits.values())) {
      const answer = market.act({ kind: 'forfeit', attempt: row.attempt, earnings: [...pending.values()].filter(({ seller }) => seller === row.owner).reverse() }) as { taken: string }
      counts.forfeited += Number(answer.taken) / Number(row.price)
      for (const change of market.log) if (change.kind === 'forfeit') for (const attempt of change.row.of) pending.delete(attempt)
    }
  }
  const finish = (id: JobId, task: Task): void => {
    const live = market.state.jobs.get(id)
    if (!live || live.tasks[0]?.state === 'running' || live.tasks[0]?.state === 'queued') return
    tasks.delete(id)
    if (live.tasks[0]?.state === 'done') for (const attempt of live.attempts) { const one = known.get(attempt.node) as Known; if (attempt.state === 'valid' && one.seller.kind !== 'honest') (lately.get(one.seller) ?? lately.set(one.seller, []).get(one.seller))?.push({ at: market.now, lie: task.answers.find(({ seller }) => seller === one.seller)?.answer !== RIGHT }) }
    const accepted = live.attempts.find((attempt) => attempt.id === live.tasks[0]?.result)
    for (const attempt of live.attempts) {
      const one = known.get(attempt.node) as Known, { answer } = task.answers.find(({ seller }) => seller === one.seller) as { answer: string }
      if (one.seller.kind !== 'honest') { counts.delivered++; if (attempt.state === 'valid') counts.paid++ }
      if (answer === RIGHT) continue
      counts.cheats++
      if (attempt.state !== 'invalid') continue
      counts.caught++
      const day = (lately.get(one.seller) ?? []).filter(({ at }) => at > market.now - DISPUTE_MS)
      counts.lately += day.length
      counts.liesLately += day.filter(({ lie }) => lie).length
      caught(one.seller)
    }
    if (accepted) countTask(counts, task.first, live.attempts.length, accepted.digest !== sha256(`${task.number} ${RIGHT}`))
    else counts.undecided++
  }
  for (let round = 0, number = 0; round < rounds; round++) {
    reprice()
    for (let i = 0; i < Math.round(count * LOAD); i++, number++) {
      const answer = market.submit(buyer, spec, { cap: credits(50) })
      if (!('job' in answer)) throw new Error(`a job was refused: ${JSON.stringify(answer)}`)
      tasks.set(answer.job.id, { number, first: 0, answers: [] })
    }
    for (let sent = orders(); sent.length > 0; sent = orders()) {
      market.now += TASK_MS
      while (sent.length > 0) {
        const [order] = sent.splice(chance.between(0, sent.length - 1), 1) as [JobDispatch], task = tasks.get(order.job_id) as Task, { seller } = known.get(order.terms.node) as Known
        const now: Task = task.answers.length === 0 ? { ...task, first: seller.done } : task, answer = answerOf(seller, now, chance)
        now.answers.push({ seller, answer })
        tasks.set(order.job_id, now)
        market.report(order, { runMs: TASK_MS, digest: sha256(`${now.number} ${answer}`) })
        forfeit()
        finish(order.job_id, now)
      }
    }
    market.act({ kind: 'clock' })
    clear()
    for (const id of market.state.ended) forgetJob(market.state, id)
  }
  return counts
}
