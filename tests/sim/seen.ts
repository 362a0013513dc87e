// Everything that must have happened at least once over enough seeds: a fault that no longer strikes, or a branch that is no longer reached,
// would let a dead test pass for a good one.
export const SEEN = [
  // faults
  'commit aborted', 'commit unknown, applied', 'commit unknown, lost', 'commit unknown, applied late', 'commit slow', 'writer crash', 'writer pause', 'writer paused past take-over', 'rival writer',
  'zombie refused', 'read after a successor had written', 'reload failed once', 'batch dropped behind a failed commit', 'agent crash', 'agent crash between outputs', 'journal wiped', 'agent pause', 'machine suspend', 'clone started', 'machine slow', 'connection reset',
  'one-way cut up', 'one-way cut down', 'partition', 'long partition', 'late answers, then silence', 'old message to market', 'old message to agent', 'frame sent again', 'seller pause', 'price change',
  // branches of the market
  'job completed', 'job failed', 'job cancelled', 'job expired', 'submit replayed', 'submit conflict', 'submit refused: funds', 'submit refused: cap', 'submit with quote', 'quote expired', 'topup replayed', 'topup conflict',
  'cancel while running', 'cancel refused: ended', 'attempt refused', 'offer not taken up', 'node lost', 'node in use', 'stale session', 'session resumed', 'session new', 'result carried into new session',
  'late result kept as evidence', 'amnesia', 'copies agreed', 'accepted on trust', 'audited', 'audit disagreed', 'copies disagreed', 'result invalid', 'forfeited', 'nothing to forfeit', 'paid for a failing program', 'paid on cancel', 'released', 'pipelined turn', 'wait kept its place', 'exclusive stopped itself',
  'schedule fired', 'schedule fired late', 'schedule skipped', 'schedule refused', 'child waited for a parent', 'child of an ended parent', 'child ran after its parents', 'child ended with its parent', 'submit refused: parent', 'forgotten job asked for', 'seal stored', 'retries used up', 'concession made', 'deadline missed', 'plan: in time', 'plan: became firm', 'plan: firm', 'plan: interruptible', 'plan: late', 'spread kept apart', 'interruptible work ended well', 'place taken and paid', 'the rest finished after a failure', 'gang completed', 'job held back', 'gang began again', 'checkpoint stored', 'went on from a checkpoint', 'kept work paid', 'moved', 'move failed', 'move refused', 'node drained', 'memory taken along', 'memory of no use', 'memory paid when gone on from', 'payout paid', 'payout came back', 'payout refused: earnings', 'payout replayed', 'reversal done', 'reversal of what had cleared', 'reversal rejected', 'reversal expired',
  'reversal refused: same person', 'reversal refused: below zero', 'reversal refused: once only', 'seller suspended', 'fee changed', 'fee not changed: an old version', 'node cordoned', 'node emptied', 'node emptied by a deadline', 'copy of what is late', 'copy won', 'first try won', 'one of two tries lost', 'part cut anew', 'cut while it ran', 'cut into as many parts as may be', 'record given back', 'referee said yes', 'referee said no', 'referee broke', 'referee failed', 'empty batch released on trust', 'quiet moment compared',
] as const
/** Only where every job is cut while it runs. */
export const SEEN_DIVIDED = ['parts joined', 'list cut', 'range cut', 'files cut'] as const
export type Seen = (typeof SEEN)[number] | (typeof SEEN_DIVIDED)[number]
