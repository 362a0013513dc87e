// What a node is told about an attempt, made from the attempt's committed row: session, lease generation and fence are the row's, never the
// node's current ones (a restart between deciding and sending would otherwise start a dead attempt).
import { MIB, RENDEZVOUS_PORT, gangAddress, refereeOf, slotId, taskId } from '@lumaris/protocol'
import type { JobDispatch, Terms } from '@lumaris/protocol'
import type { AttemptRow, JobRow } from '../rows.ts'
import { liveJob, tell } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { inputsFor } from '../assurance/referee.ts'
import { restCap, restOf } from '../job/kept.ts'
import { rangeOf, taskSpecOf } from '../split/pieces.ts'
import { invariant } from '../invariant.ts'

/** What buyer and seller agree on when an attempt is offered; its hash starts the chain of ticks. */
export function termsOf(job: JobRow, attempt: AttemptRow): Terms {
  const task = taskId(job.id, attempt.task)
  return {
    attempt: attempt.id, job: job.id, task, slot: slotId(task, attempt.slot), fence: attempt.fence, node: attempt.node, driver: attempt.driver, level: attempt.level,
    resources: job.spec.resources, prices: attempt.prices, attemptCap: restCap(job.attemptCap, attempt.resumes).toString(), ...rangeOf(attempt.referee ? undefined : attempt.piece),
  }
}

export function dispatchOf(job: JobRow, attempt: AttemptRow): JobDispatch {
  const order = orderOf(job, attempt), referee = attempt.referee && refereeOf(job.spec)
  if (!attempt.referee || !referee) return order
  // The buyer's command instead of the program, with results for inputs; all it leaves is how it ends.
  const { stdout: _none, egress: _nowhere, secrets: _untold, ...bare } = order, [command, ...args] = referee.command, right = attempt.referee.with === undefined, runMs = Math.min(referee.runMs, order.limits.runMs)
  return {
    ...bare, payload: { command: command as string, args }, env: { ...order.env, LUMARIS_REFEREE: right ? 'right' : 'same' }, outputs: [], limits: { ...order.limits, runMs }, requirements: { ...order.requirements, expected_duration_sec: runMs / 1000 },
    inputs: [...referee.inputs, ...attempt.referee.files, ...(right ? inputsFor(job, { index: attempt.task, ...(attempt.piece ? { piece: attempt.piece } : {}) }) : [])],
  }
}
function orderOf(job: JobRow, attempt: AttemptRow): JobDispatch {
  const { spec } = job, { resumes } = attempt
  const task = taskSpecOf(spec, attempt.task, attempt.piece)
  const terms = termsOf(job, attempt)
  const [command, ...args] = [...spec.command, ...(task.args ?? [])]
  return {
    type: 'job_dispatch', job_id: job.id, attempt_id: attempt.id, task_id: terms.task, slot_id: terms.slot, fence: attempt.fence, session: attempt.session, lease_gen: attempt.leaseGen,
    requirements: { cpu_cores: spec.resources.cpuMillis / 1000, memory_mb: Math.ceil(spec.resources.memoryBytes / MIB), expected_duration_sec: (spec.expectedMs ?? spec.limits.runMs) / 1000 },
    payload: { command: command as string, args }, driver: attempt.driver, level: attempt.level, runtime: spec.runtime, ...(spec.image === undefined ? {} : { image: spec.image }),
    env: {
      ...spec.env, ...task.env, LUMARIS_JOB: job.id, LUMARIS_ATTEMPT: attempt.id, LUMARIS_TASK: String(attempt.task), ...(spec.divide ? {} : { LUMARIS_TASKS: String(job.tasksTotal) }), // how many there come to be is not known yet
      // Work with effects outside can pass this on: whoever receives it refuses a smaller one.
      LUMARIS_FENCE: String(attempt.fence),
      ...(spec.gang ? gangEnvOf(attempt.task, job.tasksTotal) : {}), ...(spec.checkpoint || resumes ? { LUMARIS_CHECKPOINT: String(resumes?.saved.number ?? 0) } : {}),
    },
    inputs: [...spec.inputs, ...(job.parents?.files ?? []), ...(task.inputs ?? [])], outputs: spec.outputs, ...(spec.stdout === undefined ? {} : { stdout: spec.stdout }), resources: spec.resources, limits: restOf(spec, resumes).limits, prices: attempt.prices,
    attempt_cap: terms.attemptCap, disconnect: spec.disconnect, terms,
    ...(spec.secrets ? { secrets: spec.secrets } : {}),
    ...(spec.gang ? { gang: { rank: attempt.task, size: job.tasksTotal } } : {}),
    ...(spec.checkpoint ? { checkpoint: spec.checkpoint } : {}), ...(resumes ? { resume: { ...resumes.saved, ...(resumes.memory ? { memory: { ...resumes.memory, attempt: resumes.attempt } } : {}) } } : {}), ...(spec.placement.encryptedScratch ? { encrypted_scratch: true } : {}), ...(spec.network ? { egress: spec.network.egress } : {}),
  }
}
/** What torchrun and its like look for, and the addresses of all ranks in their order. */
const gangEnvOf = (rank: number, size: number): Record<string, string> => ({
  RANK: String(rank), WORLD_SIZE: String(size), LOCAL_RANK: '0', MASTER_ADDR: 'rank-0', MASTER_PORT: String(RENDEZVOUS_PORT),
  LUMARIS_ADDRESS: gangAddress(rank), LUMARIS_PEERS: Array.from({ length: size }, (_, other) => gangAddress(other)).join(','),
})

export function dispatch(turn: Turn, attempt: AttemptRow): void {
  const node = turn.state.nodes.get(attempt.node)
  invariant(node, `attempt ${attempt.id} on unknown node`)
  const message = dispatchOf(liveJob(turn, attempt.job).row, attempt)
  tell(turn, node.id, attempt.session, message)
}
