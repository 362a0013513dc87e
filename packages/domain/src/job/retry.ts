import type { DurationMs } from '@lumaris/protocol'
import type { MarketSettings } from '../state.ts'

/** Waits before the n-th retry (from 1): doubling, bounded. No chance in it: retries of one job do not meet those of another on one node. */
export const backoffMs = (settings: Pick<MarketSettings, 'retryBackoffMs' | 'retryBackoffMaxMs'>, retry: number): DurationMs =>
  Math.min(settings.retryBackoffMaxMs, settings.retryBackoffMs * 2 ** Math.min(retry - 1, 20))
/**
 * Exclusive work that may still run somewhere: a dispatch can be half a minute on its way, then a lease holds for 45 s, and clocks differ.
 * Twice the time after which a silent node is lost covers all three.
 */
export const exclusiveWaitMs = ({ lostMs }: Pick<MarketSettings, 'lostMs'>): DurationMs => 2 * lostMs
