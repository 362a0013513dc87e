import { expect, test } from 'vitest'
import type { RouteName } from '@lumaris/protocol'
import { whyNot } from './may.ts'

const VIEWER = { acting: { role: 'viewer' } } as const, SUBMITTER = { acting: { role: 'submitter' } } as const, MANAGER = { acting: { role: 'manager' } } as const
test.each([
  ['viewer', VIEWER, ['listJobs', 'getSpend', 'exportJobs', 'listFilters'], ['submitJob', 'cancelJob', 'putFilter', 'createKey', 'listKeys', 'readAlerts', 'createTopup']],
  ['submitter', SUBMITTER, ['submitJob', 'cancelJob', 'createSchedule', 'putTemplate'], ['createKey', 'inviteMember', 'setAlertSettings', 'createTopup', 'setAutoTopup']],
  ['manager', MANAGER, ['submitJob', 'createKey', 'inviteMember', 'setAlertSettings', 'readAlerts'], ['createTopup', 'setAutoTopup', 'decideDevice']],
  ['who only looks', { view: {} }, ['listJobs', 'listKeys'], ['submitJob', 'readAlerts', 'createQuote', 'createTopup', 'pauseNode']],
  ['the owner', {}, ['submitJob', 'createKey', 'createTopup', 'decideDevice'], []],
] as const)('%s', (_name, who, may, mayNot) => {
  expect((may as readonly RouteName[]).filter((route) => whyNot(who, route) !== undefined)).toEqual([])
  expect((mayNot as readonly RouteName[]).filter((route) => whyNot(who, route) === undefined)).toEqual([])
})
test('the reason names the role, and what it is for', () => {
  expect(whyNot(VIEWER, 'cancelJob')).toBe('Not as a viewer of this account: a viewer sees jobs, results and spend')
  expect(whyNot(MANAGER, 'createTopup')).toBe('Only the owner of the account does this')
})
