import { expect, test } from 'vitest'
import { sha256 } from '@lumaris/testkit'
import type { NodeId, Welcome } from '@lumaris/protocol'
import { createAgentState } from './state.ts'
import { stepAgent } from './step.ts'

const welcome = (session: number): Welcome => ({ type: 'welcome', session, lease_gen: 0, stream_id: `s${session}`, last_seen: 0, heartbeat_ms: 10_000, attempts: [], http_token: 'x', platform_key: 'x' })

// Found by the simulator, seed 443: heartbeats are counted afresh in each session, and an answer of an earlier session named a number that the new one
// had used too. It renewed a lease nobody had granted, and ticks were taken for heard that no writer had seen.
test('a late answer to a heartbeat of an earlier session renews nothing', () => {
  const state = createAgentState('nod_00000000000000000000000001' as NodeId, { cpuMillis: 1, memoryBytes: 1, diskBytes: 1, gpus: 0 })
  const at = (now: number) => ({ now, wall: now, hash: sha256 })
  stepAgent(state, { kind: 'welcome', welcome: welcome(2), helloSentAt: 1_000 }, at(1_010))
  stepAgent(state, { kind: 'clock' }, at(11_010))
  expect(state.heartbeat).toBe(2)
  const answer = (session: number) => ({ kind: 'message' as const, message: { type: 'lease_renew' as const, session, heartbeat: 2, lease_gen: 0, orders: [] } })
  stepAgent(state, answer(1), at(12_000))
  expect(state.leaseFrom).toBe(1_000)
  stepAgent(state, answer(2), at(12_000))
  expect(state.leaseFrom).toBe(11_010)
})
