// Each guard closes one known race. All are on, always; the simulator switches single ones off to prove that it would notice
// (docs/benchmarks/mutations.md). Nothing but a test may pass anything else than ALL_GUARDS.
export type Guards = {
  /** Offers are sent again from committed rows, not from memory. */
  readonly resendOffers: boolean
  /** A report counts only under the fence of its slot. */
  readonly attemptFence: boolean
  /** The same job id or key does not act twice. */
  readonly idempotencyKey: boolean
  /** A word counts only for an attempt that is live. */
  readonly liveOnly: boolean
  /** Copies of a task run at different owners. */
  readonly distinctOwners: boolean
  /** An old heartbeat is not believed. */
  readonly heartbeatOrder: boolean
  /** An agent's attempt that the agent no longer lists is ended. */
  readonly reconcileMissing: boolean
  /** A report counts only in the session its attempt was made for. */
  readonly sessionBound: boolean
  /** A lost node's lease generation grows, so that what it still says about old attempts is refused. */
  readonly leaseGeneration: boolean
  /** Agent: never starts an attempt it has seen before. */
  readonly tombstones: boolean
  /** Agent: stops exclusive work by itself when its lease runs out. */
  readonly selfStop: boolean
  /** Agent: dates a lease from when the acknowledged heartbeat was sent, not from when the answer came. */
  readonly leaseFromSend: boolean
}
export const ALL_GUARDS: Guards = {
  resendOffers: true, attemptFence: true, idempotencyKey: true, liveOnly: true, distinctOwners: true, heartbeatOrder: true, reconcileMissing: true,
  sessionBound: true, leaseGeneration: true, tombstones: true, selfStop: true, leaseFromSend: true,
}
