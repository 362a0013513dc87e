import type { EnrolNode, EnrolmentId, Instant, NodeId, Refusal, UserId } from '@lumaris/protocol'
import type { EnrolmentRow, NodeRow } from '../rows.ts'
import { isTooOld } from '../operator/settings.ts'
import { emit, note, putNode, refused } from '../turn.ts'
import type { Turn } from '../turn.ts'

/** Long enough to paste a line into a terminal on another machine, short enough that a forgotten one is worth nothing. */
export const ENROLMENT_VALID_MS = 15 * 60_000

export type EnrolmentCommand = { readonly kind: 'enrolment'; readonly owner: UserId; readonly tokenHash: string; readonly name: string | null }
export function makeEnrolment(turn: Turn, command: EnrolmentCommand): EnrolmentRow {
  const expiresAt: Instant = turn.now + ENROLMENT_VALID_MS
  const row: EnrolmentRow = { id: turn.id('enr') as EnrolmentId, owner: command.owner, tokenHash: command.tokenHash, expiresAt, name: command.name, usedBy: null }
  emit(turn, { kind: 'enrolment', row })
  return row
}

/** The proof (a signature by the new key) was checked by the caller; here the token is used up, in the same commit that makes the node. */
export type EnrolCommand = { readonly kind: 'enrol'; readonly tokenHash: string; readonly body: EnrolNode; readonly block?: string | undefined }
export function enrol(turn: Turn, command: EnrolCommand): NodeRow | Refusal {
  const enrolment = [...turn.state.enrolments.values()].find((row) => row.tokenHash === command.tokenHash)
  if (!enrolment || enrolment.expiresAt < turn.now) return refused('enrolment_invalid')
  const { body } = command
  if (isTooOld(turn.state, body.agentVersion)) return refused('agent_too_old', { version: body.agentVersion, oldest: turn.state.operating?.values.agentVersionMin })
  if (enrolment.usedBy) {
    // The same agent asking again (its first answer was lost) gets the same node; anyone else gets a no.
    const node = turn.state.nodes.get(enrolment.usedBy)
    return node && node.publicKey === body.publicKey ? node : refused('enrolment_invalid')
  }
  for (const node of turn.state.nodes.values()) if (node.publicKey === body.publicKey) return refused('node_key_taken')
  const id = turn.id('nod') as NodeId
  emit(turn, { kind: 'enrolment', row: { ...enrolment, usedBy: id } })
  note(turn, id, 'joined')
  return putNode(turn, {
    id, owner: enrolment.owner, name: enrolment.name ?? body.name, publicKey: body.publicKey, region: body.region, labels: body.labels, presence: 'pending', will: 'open', session: 0, leaseGen: 0,
    bootId: '', oldBoots: [], capacity: body.capacity, drivers: [], prices: body.prices, agentVersion: body.agentVersion, enrolledAt: turn.now, lastSeenAt: null, ...(command.block ? { enrolledFrom: command.block } : {}),
  })
}
