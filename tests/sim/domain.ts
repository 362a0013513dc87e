// What the auditor takes from the core: the tables of what may happen, and the filters, so that "there was room" means what matching means by it.
export { ATTEMPT, JOB, SLOT, TASK, holdsNode, isLive, isTerminal, busyReason, neverReason, requirementOf, termsOf, worstCost } from '@lumaris/domain'
export { CAUSES } from '@lumaris/protocol'
