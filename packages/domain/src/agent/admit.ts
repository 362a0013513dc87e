import type { JobDispatch } from '@lumaris/protocol'
import type { AgentState } from './state.ts'

/** Does it fit beside what already runs here? The market has reserved for it, but the seller's own word is the last. */
export function admit(state: AgentState, order: JobDispatch): string | null {
  let { cpuMillis, memoryBytes, gpus } = state.capacity
  for (const attempt of state.attempts.values()) {
    if (attempt.state === 'reported') continue
    cpuMillis -= attempt.order.resources.cpuMillis
    memoryBytes -= attempt.order.resources.memoryBytes
    gpus -= attempt.order.resources.gpus
  }
  const { resources } = order
  if (resources.cpuMillis > cpuMillis) return 'not enough free CPU'
  if (resources.memoryBytes > memoryBytes) return 'not enough free memory'
  if (resources.gpus > gpus) return 'not enough free GPUs'
  return null
}
