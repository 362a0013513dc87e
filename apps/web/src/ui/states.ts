// Every state of what people see here, each in one place: its word, colour, sign, what it means and what is billed in it.
import type { AttemptState, Cause, JobState, NoReason, NodeState, PayoutState, ReversalState, TaskState } from '@lumaris/protocol'
import { CAUSES } from '@lumaris/protocol'

export type Look = { readonly word: string; readonly colour: 'gray' | 'blue' | 'green' | 'red' | 'orange' | 'indigo'; readonly sign: string; readonly says: string }
const look = (word: string, colour: Look['colour'], sign: string, says: string): Look => ({ word, colour, sign, says })

export const JOB: Readonly<Record<JobState, Look>> = {
  queued: look('Queued', 'gray', '◷', 'It waits for a node. Waiting costs nothing; its cap is held.'),
  running: look('Running', 'blue', '▶', 'At least one part runs. The time that parts run is billed, never above the cap.'),
  completed: look('Completed', 'green', '✓', 'All parts ended well. What was not used of the cap came back.'),
  failed: look('Failed', 'red', '✗', 'A part ended badly for good. What a node or the market spoiled is not billed.'),
  cancelled: look('Cancelled', 'orange', '⊘', 'It was cancelled. What had run until then is billed; the rest came back.'),
  expired: look('Expired', 'orange', '⊖', 'No node was found in the time it was willing to wait. Nothing is billed.'),
}
export const TASK: Readonly<Record<TaskState, Look>> = {
  waiting: look('After others', 'gray', '◷', 'It waits for other jobs to complete. Nothing is billed.'), queued: look('Waiting', 'gray', '◷', 'It waits for a node. Nothing is billed.'), running: look('Running', 'blue', '▶', 'It runs; its time is billed.'),
  done: look('Done', 'green', '✓', 'It ended well.'), failed: look('Failed', 'red', '✗', 'It ended badly for good.'), cancelled: look('Cancelled', 'orange', '⊘', 'It was cancelled.'), joined: look('Joined', 'gray', '⊕', 'It was so small that it became a part of its neighbour.'),
}
export const ATTEMPT: Readonly<Record<AttemptState, Look>> = {
  offered: look('Offered', 'gray', '◷', 'The node was asked.'), accepted: look('Accepted', 'gray', '◷', 'The node prepares it; nothing is billed yet.'), running: look('Running', 'blue', '▶', 'It runs; its time is billed.'),
  reported: look('Reported', 'blue', '▶', 'The node has told its end; it is being checked.'), valid: look('Valid', 'green', '✓', 'Its result counts.'), invalid: look('Invalid', 'red', '✗', 'Its result did not hold.'), ended: look('Ended', 'orange', '⊘', 'It ended without a result that counts.'),
}
export const NODE: Readonly<Record<NodeState, Look>> = {
  pending: look('Pending', 'gray', '◷', 'Enrolled, and not connected yet. It earns nothing.'), online: look('Online', 'green', '●', 'Connected and taking work. It earns while parts run.'),
  suspect: look('Suspect', 'orange', '?', 'Silent for a while: it gets no new work.'), lost: look('Lost', 'red', '✗', 'Silent for too long: its work was given to others.'),
  paused: look('Paused', 'orange', '‖', 'Its seller paused it: no new work. What runs goes on, and earns.'), draining: look('Draining', 'orange', '↓', 'It finishes what runs and takes nothing new.'),
  cordoned: look('Cordoned', 'orange', '⊟', 'An operator holds it back: no new work. What runs goes on, unless it is being emptied.'),
  retired: look('Retired', 'gray', '⊘', 'It has left the market.'), banned: look('Banned', 'red', '⊘', 'It may not take work.'),
}
export const PAYOUT: Readonly<Record<PayoutState, Look>> = {
  requested: look('Requested', 'gray', '◷', 'It is set aside, and goes to the provider next.'), sent: look('On its way', 'blue', '▶', 'The provider has it.'),
  paid: look('Paid', 'green', '✓', 'The provider says that it arrived.'), failed: look('Came back', 'orange', '⊘', 'The provider could not carry it. The money is available again.'),
}
export const REVERSAL: Readonly<Record<ReversalState, Look>> = {
  proposed: look('Waits', 'blue', '◷', 'Another admin must approve. Nothing has moved.'), done: look('Done', 'green', '✓', 'The reversing entry is made.'),
  rejected: look('Rejected', 'orange', '⊘', 'Nothing has moved.'), expired: look('Expired', 'gray', '⊖', 'Nobody approved it in time. Nothing has moved.'),
}
export { SEVERITIES, SEVERITY } from './severity.ts'
export const causeText = (cause: Cause): string => CAUSES[cause].says
export const bearsText = (cause: Cause): string => (CAUSES[cause].bears === 'buyer' ? 'billed to the buyer' : `${CAUSES[cause].bears === 'seller' ? 'the seller bears it' : 'the market bears it'}: nothing is billed but what a checkpoint has kept`)

/** Why nodes do not take a piece of work; said of several of them. */
export const REASON: Readonly<Record<NoReason | 'dearer', string>> = {
  not_online: 'not online, or taking no work now', driver: 'none of the drivers asked for', level: 'isolation not strong enough', runtime: 'cannot run this runtime', cpu: 'too few cores', memory: 'too little memory',
  disk: 'too little disk', gpu: 'too few GPUs', cpu_busy: 'cores in use just now', memory_busy: 'memory in use just now', disk_busy: 'disk in use just now', gpu_busy: 'GPUs in use just now', gpu_model: 'another GPU model', gpu_share: 'only smaller parts of GPUs', kept_for_firm: 'kept free for firm work that comes next',
  gpu_memory: 'GPUs with too little memory', region: 'in another region', residency: 'where the data may not lie', trust: 'not enough shown to be trusted so far', label: 'without the labels asked for', price: 'could cost more than is allowed',
  same_owner_as_copy: 'owned by the owner of another copy', same_network_as_copy: 'in one network with another copy, or enrolled beside it', failed_here: 'failed this work before', kept_for_overdue: 'kept for work that has waited longest', deadline: 'not expected to be done by the deadline', spread: 'too near to another part of the job', moved_away: 'not where it is being moved to', no_spot: 'no interruptible work taken', bid: 'asking more than the bid',
  agent_too_old: 'its agent is too old for new work',
  matching_paused: 'operators let nothing new start there just now',
  gang: 'cannot join the network of a gang', gang_room: 'not room enough for all ranks at once', scratch: 'no encrypted scratch for this work', egress: 'no outgoing connections for this work',
  owner_driver: 'not with these drivers, its owner says', owner_level: 'not behind walls so weak, its owner says', owner_image: 'no images from there, its owner says', owner_gang: 'no gangs, its owner says', owner_egress: 'nothing that connects anywhere, its owner says', owner_gpu: 'nothing for its GPUs, its owner says', owner_tag: 'nothing with this tag, its owner says',
  dearer: 'dearer than the node that was chosen',
}
