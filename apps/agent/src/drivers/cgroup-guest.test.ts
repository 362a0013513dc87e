// Version 2 of control groups on a kernel that has nothing else: a machine in software, in which the agent's own code limits programs that do their worst. Many
// test machines still have version 1 only, and there this is the only place where that code runs.
import { beforeAll, expect, test } from 'vitest'
import { join } from 'node:path'
import { testImages } from '../images/test-images.ts'
import { runMachine } from '../images/test-machine.ts'
import type { Told } from '../images/test-machine.ts'

/** A start and all that is done take 20 s on two quiet cores. */
const BOUND_MS = 150_000
const kept = await testImages()
const missing = 'reason' in kept ? kept.reason : null
let told: Told = { said: '', facts: new Map() }

beforeAll(async () => { if (!('reason' in kept)) told = await runMachine({ kept, program: join(import.meta.dirname, 'cgroup-guest.ts'), boundMs: BOUND_MS }) }, BOUND_MS + 30_000)

const fact = (name: string): Record<string, unknown> => told.facts.get(name) ?? { said: `nothing of ${name} was told: ${told.said.slice(-2_000)}` }
const inGuest = (what: string, act: (who: string) => void): void => {
  for (const [who, prefix] of [['root', ''], ['a user with a group of his own', 'delegated ']] as const) test.skipIf(missing)(`version 2, as ${who}: ${what}${missing ? ` (${missing})` : ''}`, () => { act(prefix) })
}

inGuest('it is found and used', (who) => {
  expect(fact(`${who}version`)).toMatchObject({ version: 2, base: who === '' ? '0::/' : '0::/service/agent' })
  expect(told.said).toContain('@@over')
})
inGuest('memory beyond the limit ends the program, and the group says why; below it nothing happens', (who) => {
  expect(fact(`${who}memory`)).toMatchObject({ said: '', signal: 'SIGKILL', starved: true, empty: true })
  expect(fact(`${who}memory`)['peakMib']).toBeLessThanOrEqual(64)
  expect(fact(`${who}content`)).toMatchObject({ said: 'all', code: 0, starved: false })
  expect(fact(`${who}content`)['peakMib']).toBeGreaterThan(32)
})
inGuest('one process too many is refused, and a fork bomb stays in its group and ends with it', (who) => {
  expect(fact(`${who}pids`)['said']).toBe('15 11') // EAGAIN
  expect(fact(`${who}bomb`)).toMatchObject({ empty: true })
  expect(fact(`${who}bomb`)['alive']).toBeLessThanOrEqual(16)
})
inGuest('two that spin share the quota', (who) => {
  expect(fact(`${who}cpu`)['share']).toBeGreaterThan(0.15)
  expect(fact(`${who}cpu`)['share']).toBeLessThan(0.36)
})
inGuest('what is frozen stands still, goes on afterwards, and dies frozen too', (who) => {
  expect(fact(`${who}freeze`)).toMatchObject({ goesOn: true, empty: false })
  expect(fact(`${who}freeze`)['whileFrozenMs']).toBeLessThan(20)
  expect(fact(`${who}kill`)).toEqual({ signals: ['SIGKILL', 'SIGKILL'], empty: true })
  expect(fact(`${who}removed`)).toEqual({ gone: true })
})
inGuest('who has left his session is ended with the others', (who) => { expect(fact(`${who}fled`)).toEqual({ left: true, empty: true }) })
inGuest('what a crashed agent left, frozen, is found, ended and removed', (who) => { expect(fact(`${who}reap`)).toMatchObject({ reaped: 2, signal: 'SIGKILL', gone: true, again: 0 }) })
test.skipIf(missing)(`version 2: a job can neither lift its limits nor leave its group${missing ? ` (${missing})` : ''}`, () => { expect(fact('rebel')['said']).toMatch(/^\[\] 0::\/lumaris-guest\/rebel$/) })
