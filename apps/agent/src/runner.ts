// Carries out what the core decides, strictly in order: one queue, and a record is on the disk before anything that was decided after it
// happens. Deciding does not wait for the disk, so records pile up while one flush runs, and go to the disk together with the next.
import { stepAgent } from '@lumaris/domain'
import type { AgentInput, AgentOutput, AgentPorts, AgentState, JournalRecord } from '@lumaris/domain'
import type { FromAgent } from '@lumaris/protocol'
import type { Journal } from './journal.ts'

export type Act = Exclude<AgentOutput, { kind: 'journal' }>
export type RunnerPorts = {
  readonly state: AgentState; readonly journal: Journal; readonly ports: () => AgentPorts
  readonly act: (output: Act) => void
  /** After each step, to set the clock. */
  readonly stepped?: () => void
  /** All that was decided is done. */
  readonly drained?: () => void
  /** A bug: nothing can be carried out any more. */
  readonly broken: (error: unknown) => void
}
export interface Runner {
  input(input: AgentInput): void
  /** Words from beside the core (output of jobs), in their place between what it said before and after. */
  say(message: Extract<Act, { kind: 'send' }>['message']): void
  /** All that was decided is done. */
  readonly idle: boolean
}

export function createRunner({ state, journal, ports, act, stepped, drained, broken }: RunnerPorts): Runner {
  let queue: AgentOutput[] = []
  let pumping = false
  /** The batch that waits for the disk. */
  let inHand: readonly AgentOutput[] = []

  async function pump(): Promise<void> {
    pumping = true
    try {
      while (queue.length > 0) {
        const batch = takeBatch()
        const records: JournalRecord[] = []
        for (const output of batch) if (output.kind === 'journal') records.push(output.record)
        const onDisk = records.length > 0 ? journal.append(records) : null
        if (onDisk) {
          inHand = batch
          await onDisk
          inHand = []
        }
        for (const output of batch) if (output.kind !== 'journal') act(output)
      }
    } finally { pumping = false }
    drained?.()
  }

  /**
   * All that waits, up to the first seal: writing a record sooner than its turn does no harm, except the one that says a seal was sent, which
   * must come after it, or a crash between the two would leave ticks that nobody seals.
   */
  function takeBatch(): AgentOutput[] {
    const seal = queue.findIndex((output) => output.kind === 'seal')
    const batch = seal < 0 || seal === queue.length - 1 ? queue : queue.slice(0, seal + 1)
    queue = batch === queue ? [] : queue.slice(seal + 1)
    return batch
  }
  function enqueue(outputs: readonly AgentOutput[]): void {
    for (const output of outputs) {
      if (journal.trouble !== null && mayOvertake(output)) act(output)
      else queue.push(output)
    }
    if (!pumping && queue.length > 0) pump().catch(broken)
  }
  /**
   * While the disk refuses, the queue stands still. Heartbeats and ticks claim nothing that must survive, and keep what runs alive; but a tick
   * stays behind other words about its attempt, and a heartbeat behind ticks, because its answer means that they were heard.
   */
  function mayOvertake(output: AgentOutput): output is Act {
    if (output.kind !== 'send') return false
    const { message } = output
    if (message.type !== 'tick') return message.type === 'availability_update' && !waits((other) => other.type === 'tick')
    return !waits((other) => attemptOf(other) === message.tick.attempt)
  }
  const waits = (is: (message: FromAgent) => boolean): boolean => [inHand, queue].some((outputs) => outputs.some((output) => output.kind === 'send' && is(output.message)))

  return {
    input(input) {
      enqueue(stepAgent(state, input, ports()))
      stepped?.()
    },
    say: (message) => enqueue([{ kind: 'send', message }]),
    get idle() { return !pumping && queue.length === 0 },
  }
}

const attemptOf = (message: FromAgent): string | null => ('attempt_id' in message ? message.attempt_id : message.type === 'tick' ? message.tick.attempt : null)
