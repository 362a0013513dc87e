// One pass over the payouts that are open: what was asked for is sent, what was sent is asked after. Each step is a commit of its own, so a crash between
// any two of them leaves a payout that the next pass goes on with.
import { isRefusal } from '@lumaris/protocol'
import type { App } from '../app.ts'
import type { PayoutProvider } from './provider.ts'

/** Payouts of one pass. */
const PASS_MAX = 100

export async function payOutOnce(app: App, provider: PayoutProvider): Promise<number> {
  let ended = 0
  const { state } = app.engine
  for (const payout of [...state.payouts.values()].filter((row) => row.provider === provider.id && !(row.state === 'requested' && state.suspended.has(row.user))).slice(0, PASS_MAX)) {
    if (payout.state === 'requested' && isRefusal(await app.engine.act({ kind: 'payoutStep', id: payout.id, event: 'send' }))) continue
    try {
      const carried = await provider.carry(payout)
      const answer = await app.engine.act({ kind: 'payoutStep', id: payout.id, ...(carried.arrived ? { event: 'pay', reference: carried.reference } : { event: 'fail', reason: carried.reason }) })
      if (!isRefusal(answer)) ended++
    } catch (error) { app.log.error({ err: error, payout: payout.id }, 'the provider did not answer; it is asked again') }
  }
  return ended
}
