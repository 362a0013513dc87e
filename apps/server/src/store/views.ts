// Rows → what the API shows.
import { Saved, slotId, taskId } from '@lumaris/protocol'
import type { Attempt, Job, Node, NodeState, Slot, Task } from '@lumaris/protocol'
import { EMPTY_CAPACITY, isTerminal, isTooOld, outlookOf, payerOf, profileOf, rangeOf, reputationNow } from '@lumaris/domain'
import type { AttemptRow, JobRow, MarketState, NodeRow, TaskRow } from '@lumaris/domain'

export const given = <Key extends string, Value>(key: Key, value: Value | null | undefined): { [K in Key]?: Value } =>
  (value === null || value === undefined ? {} : { [key]: value }) as { [K in Key]?: Value }

export function viewJob(row: JobRow): Job {
  const queued = row.tasksTotal - row.tasksDone - row.tasksFailed - row.tasksRunning
  return {
    id: row.id, buyer: row.buyer, state: row.state, spec: row.spec, ...given('quote', row.quote), cap: row.cap.toString(), cost: row.cost.toString(), refunded: row.refunded.toString(), ...(row.displaced > 0n ? { displaced: row.displaced.toString() } : {}),
    tasks: { total: row.tasksTotal, queued, running: row.tasksRunning, done: row.tasksDone, failed: row.tasksFailed },
    ...given('cause', row.cause), exitCode: row.exitCode, ...(row.paused ? { paused: true } : {}), ...given('merged', row.merged), ...(row.parents && row.parents.left.length > 0 && !isTerminal(row.state) ? { waitsFor: [...row.parents.left] } : {}), ...given('detail', row.detail), ...given('schedule', row.schedule), ...given('retries', row.retries), ...given('submittedBy', row.by), fallbackSteps: row.rung, createdAt: row.createdAt, ...given('startedAt', row.startedAt), ...given('endedAt', row.endedAt),
  }
}

export function viewTask(row: TaskRow): Task {
  const id = taskId(row.job, row.index)
  const slots: Slot[] = row.slots.map((slot, index) => ({ id: slotId(id, index), state: slot.state, fence: slot.fence, paid: slot.paid, ...given('attempt', slot.attempt) }))
  return { id, job: row.job, index: row.index, state: row.state, retries: row.retries, slots, exitCode: row.exitCode, ...given('result', row.result), ...given('cause', row.cause), ...rangeOf(row.piece) }
}

export function viewAttempt(row: AttemptRow, nodeName: string): Attempt {
  const task = taskId(row.job, row.task)
  return {
    id: row.id, job: row.job, task, slot: slotId(task, row.slot), node: row.node, nodeName, driver: row.driver, level: row.level, state: row.state, fence: row.fence, prices: row.prices,
    usage: row.usage, exitCode: row.exitCode, files: [...row.files], offeredAt: row.offeredAt, decision: row.decision,
    ...given('cause', row.cause), ...given('detail', row.detail), ...given('resultDigest', row.digest as Attempt['resultDigest'] | null),
    ...given('startedAt', row.startedAt), ...given('endedAt', row.endedAt), ...(row.saved ? { saved: Saved.parse(row.saved) } : {}), ...(row.resumes ? { resumes: { attempt: row.resumes.attempt, number: row.resumes.saved.number } } : {}), ...given('billed', payerOf(row) ? '0' : row.billed?.toString()), ...rangeOf(row.piece), ...(row.referee ? { referee: { of: row.referee.of, ...given('with', row.referee.with) } } : {}),
  }
}

export const nodeState = (row: NodeRow): NodeState => (row.cordon && row.will !== 'retired' && row.will !== 'banned' ? 'cordoned' : row.will === 'open' ? row.presence : row.will)

const part = (share: number): number => Math.round(share * 10_000) / 10_000
export function viewNode(row: NodeRow, state: MarketState, now: number): Node {
  const link = state.links.get(row.id), { succeeded, failed } = profileOf(state, row), reputation = reputationNow(state, row, now), outlook = outlookOf(state, row.id, now)
  const shown = ({ mean, lower, evidence }: { mean: number; lower: number; evidence: number }) => ({ mean: part(mean), lower: part(lower), evidence: part(evidence) })
  return {
    id: row.id, owner: row.owner, name: row.name, state: state.suspended.has(row.owner) ? 'banned' : nodeState(row), region: row.region, labels: { ...row.labels }, capacity: row.capacity, reserved: state.reserved.get(row.id) ?? EMPTY_CAPACITY,
    drivers: [...row.drivers], prices: row.prices, agentVersion: row.agentVersion, session: row.session, running: state.attemptsByNode.get(row.id)?.size ?? 0,
    succeeded, failed, reliability: part(reputation.completion.lower), reputation: { completion: shown(reputation.completion), correctness: shown(reputation.correctness), timeliness: shown(reputation.timeliness) },
    ...(outlook ? { outlook: outlook.map(({ afterMs, stays }) => ({ afterMs, stays: part(stays) })) } : {}), connected: link?.connected ?? false, ...(row.cordon ? { cordon: { at: row.cordon.at, reason: row.cordon.reason, ...given('until', row.cordon.until) } } : {}),
    ...given('lastSeenAt', link && link.lastSeen > 0 ? link.lastSeen : row.lastSeenAt), enrolledAt: row.enrolledAt, ...given('admin', row.admin), ...given('policy', row.policy), ...(isTooOld(state, row.agentVersion) ? given('updateTo', state.operating?.values.agentVersionMin) : {}),
  }
}
