// A node may say anything, in any order, about any of its attempts. It may lose its pay by that; it must not break a turn, keep a job from
// ending, or take more than the job holds.
import { expect, test } from 'vitest'
import fc from 'fast-check'
import { aMarket, aSpec, aUser, credits, sha256 } from '@lumaris/testkit'
import type { Cause, JobStatusMessage } from '@lumaris/protocol'
import { CAUSES } from '@lumaris/protocol'
import type { Submitted } from '../job/submit.ts'

const causes = Object.keys(CAUSES) as Cause[]
const word = fc.record({
  attempt: fc.nat(7), fence: fc.nat(3), status: fc.constantFrom<JobStatusMessage['status']>('accepted', 'refused', 'running', 'succeeded', 'failed', 'stopped'),
  cause: fc.option(fc.constantFrom(...causes), { nil: undefined }), tick: fc.option(fc.record({ seq: fc.integer({ min: 1, max: 3 }), runMs: fc.nat(50_000), chained: fc.boolean() }), { nil: undefined }),
  afterMs: fc.nat(9_000),
})

test('whatever a node says, turns hold, the job ends, and its escrow is empty', () => {
  fc.assert(fc.property(fc.array(word, { maxLength: 25 }), fc.constantFrom(1, 2), fc.boolean(), (words, copies, cancels) => {
    const market = aMarket(), buyer = aUser('buyer')
    market.fund(buyer, credits(10))
    const nodes = ['a', 'b', 'c', 'd'].map((name) => market.join(name))
    for (const node of nodes) node.connect()
    const { job } = market.submit(buyer, aSpec({ tasks: [{}, {}], copies, limits: { runMs: 30_000, retries: 2, queueMs: 60_000 } })) as Submitted
    for (const said of words) {
      market.now += said.afterMs
      const attempts = [...market.state.attempts.values()], attempt = attempts[said.attempt % Math.max(1, attempts.length)]
      if (!attempt) break
      const { tick } = said
      market.act({ kind: 'status', node: attempt.node, session: attempt.session, message: {
        type: 'job_status', job_id: attempt.job, attempt_id: attempt.id, fence: said.fence === 0 ? said.fence : attempt.fence, status: said.status, result_digest: sha256('result') as never, exit_code: 0,
        ...(said.cause ? { cause: said.cause } : {}),
        ...(tick ? { final: { hash: sha256(`${attempt.id} ${tick.seq}`) as never, tick: {
          attempt: attempt.id, seq: tick.seq, prev: (tick.chained ? attempt.tickHash : sha256('other')) as never, at: market.now, final: true,
          usage: { runMs: tick.runMs, cpuMs: tick.runMs, memoryPeakBytes: 0, diskBytes: 0, outBytes: 0 },
        } } } : {}),
      } })
      market.act({ kind: 'clock' })
    }
    if (cancels) market.act({ kind: 'cancel', job: job.id })
    for (let i = 0; i < 60; i++) market.pass(10_000)
    const row = market.job(job.id)
    expect(['completed', 'failed', 'cancelled', 'expired']).toContain(row?.state)
    expect((row?.cost ?? 0n) + (row?.refunded ?? 0n)).toBe(row?.cap)
    if (!cancels) expect(row?.cause).not.toBe('buyer_cancelled')
  }), { numRuns: 400 })
})
