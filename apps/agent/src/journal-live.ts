// Which records a restart still needs. An order is needed until it is forgotten, a result too, and its last tick until a seal is known for it.
import type { JournalRecord } from '@lumaris/domain'

type Of<Type extends JournalRecord['type']> = Extract<JournalRecord, { type: Type }>
export interface LiveRecords {
  add(record: JournalRecord): void
  /** A shorter list that restores to the same state. */
  list(): JournalRecord[]
}

export function createLiveRecords(): LiveRecords {
  const accepts = new Map<string, Of<'accept'>>()
  const results = new Map<string, Of<'result'>>()
  /** Results whose last tick is not sealed, by attempt and number of that tick. */
  const unsealed = new Map<string, Of<'result'>>()
  return {
    add(record) {
      switch (record.type) {
        case 'accept': accepts.set(record.order.attempt_id, record); return
        case 'start': return
        case 'forget': accepts.delete(record.attempt); results.delete(record.attempt); return
        case 'sealed': for (const [attempt, seq] of record.leaves) unsealed.delete(`${attempt}:${seq}`); return
        case 'result': {
          const { message } = record
          if (message.final) unsealed.set(`${message.attempt_id}:${message.final.tick.seq}`, record)
          if (accepts.has(message.attempt_id)) results.set(message.attempt_id, record)
        }
      }
    },
    list() {
      // Forgotten but unsealed ones come first: without their order, only the tick counts.
      const kept: JournalRecord[] = [...unsealed.values()].filter((record) => results.get(record.message.attempt_id) !== record)
      kept.push(...accepts.values(), ...results.values())
      const sealed = [...results.values()].flatMap(({ message }) => (message.final && !unsealed.has(`${message.attempt_id}:${message.final.tick.seq}`) ? [[message.attempt_id, message.final.tick.seq] as const] : []))
      if (sealed.length > 0) kept.push({ type: 'sealed', leaves: sealed })
      return kept
    },
  }
}
