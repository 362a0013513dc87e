// Silence. Past `suspectMs` a node gets no new work; past `lostMs` its lease generation grows, its attempts end as seller_offline and their
// slots wait again. Declaring it lost and refusing what it says afterwards is one step, so a heartbeat cannot slip in between.
import type { NodeId } from '@lumaris/protocol'
import type { NodeRow } from '../rows.ts'
import { liveJob, note, putNode } from '../turn.ts'
import type { Turn } from '../turn.ts'
import { setLink } from '../state.ts'
import { endAttempt } from '../job/finish.ts'
import { attemptsOn } from './hello.ts'
import { sawNode } from './profile/presence.ts'

export function watchNodes(turn: Turn): void {
  const { suspectMs, lostMs } = turn.state.settings
  for (const [id, link] of turn.state.links) {
    const silent = turn.now - link.lastSeen
    if (silent < suspectMs) continue
    const node = turn.state.nodes.get(id)
    if (!node) continue
    if (silent >= lostMs && (node.presence === 'online' || node.presence === 'suspect')) declareLost(turn, node)
    else if (node.presence === 'online') { putNode(turn, { ...node, presence: 'suspect', lastSeenAt: link.lastSeen }); note(turn, id, 'silent') }
    if (node.presence === 'lost') endWaiting(turn, id, silent)
  }
}

function declareLost(turn: Turn, node: NodeRow): void {
  sawNode(turn.state, node, false, turn.now)
  note(turn, node.id, 'lost')
  putNode(turn, { ...node, presence: 'lost', leaseGen: turn.state.guards.leaseGeneration ? node.leaseGen + 1 : node.leaseGen, lastSeenAt: turn.state.links.get(node.id)?.lastSeen ?? null })
  for (const attempt of attemptsOn(turn, node.id)) {
    if (attempt.state === 'reported' || liveJob(turn, attempt.job).row.spec.disconnect === 'wait') continue
    endAttempt(turn, attempt.id, 'seller_offline', 'the node went silent', true) // its lease ran out before: exclusive work has stopped itself
  }
}

/** Jobs that chose to wait for a lost node wait only so long. */
function endWaiting(turn: Turn, id: NodeId, silentMs: number): void {
  if (silentMs < turn.state.settings.waitMs) return
  for (const attempt of attemptsOn(turn, id)) if (attempt.state !== 'reported') endAttempt(turn, attempt.id, 'seller_offline', 'the node stayed silent')
}

/** A new writer has heard nobody yet: everyone gets a full lease before anyone is called lost. */
export function grantLeases(turn: Turn): void {
  for (const [id, link] of turn.state.links) setLink(turn.state, id, { ...link, lastSeen: turn.now })
}
