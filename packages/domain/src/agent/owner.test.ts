import { expect, test } from 'vitest'
import { OwnerSettings } from '@lumaris/protocol'
import type { OwnerSettingsInput } from '@lumaris/protocol'
import { NEW_OWNER_MEMORY, NO_READINGS, decideOwner, shareOf } from './owner.ts'
import type { OwnerReadings, OwnerView } from './owner.ts'
import { dayStart, isOpenAt, localTime, nextChange, tomorrowAt } from './hours.ts'

// Saturday, 21 November 2026, 12:00 UTC.
const NOON = 1_795_262_400_000, HOUR = 3_600_000
const view = (settings: OwnerSettingsInput, readings: Partial<OwnerReadings> = {}, more: Partial<OwnerView> = {}): OwnerView =>
  ({ settings: OwnerSettings.parse(settings), wish: { pause: null }, stopped: false, readings: { ...NO_READINGS, ...readings }, now: 1000, wall: NOON, ...more })
const ask = (one: OwnerView) => decideOwner(NEW_OWNER_MEMORY, one).decision
const nights = { timeZone: 'Europe/Berlin', week: { mon: ['22:00-24:00'], tue: ['00:00-07:00'], sat: ['00:00-24:00'] } }

test.each<[string, OwnerView, string[], number | null]>([
  ['an empty machine', view({}), [], NOON],
  ['a machine that can show nothing', view({ pauseWhen: { otherCpuPercent: 10, batteryBelowPercent: 50 } }), [], NOON],
  ['somebody at the keyboard', view({}, { idleMs: 500 }), ['in_use'], NOON + 179_500],
  ['nobody for long enough', view({}, { idleMs: 180_000 }), [], NOON],
  ['somebody, but that was allowed', view({ pauseWhen: { inUse: false } }, { idleMs: 0 }), [], NOON],
  ['on battery', view({}, { onBattery: true }), ['on_battery'], null],
  ['on battery, allowed, and full', view({ pauseWhen: { onBattery: false, batteryBelowPercent: 40 } }, { onBattery: true, batteryPercent: 90 }), [], NOON],
  ['on battery, allowed, and low', view({ pauseWhen: { onBattery: false, batteryBelowPercent: 40 } }, { onBattery: true, batteryPercent: 39 }), ['battery_low'], null],
  ['hot', view({}, { celsius: 90.5 }), ['too_hot'], null],
  ['as warm as allowed', view({}, { celsius: 90 }), [], NOON],
  ['hot, without a limit', view({ pauseWhen: { hotterThanCelsius: null } }, { celsius: 118 }), [], NOON],
  ['others at work', view({ pauseWhen: { otherCpuPercent: 25 } }, { otherCpuPercent: 26 }), ['other_load'], null],
  ['paused', view({}, {}, { wish: { pause: { until: null } } }), ['paused'], null],
  ['paused for an hour', view({}, {}, { wish: { pause: { until: NOON + HOUR } } }), ['paused'], NOON + HOUR],
  ['a pause that is over', view({}, {}, { wish: { pause: { until: NOON } } }), [], NOON],
  ['open hours', view({ hours: nights }), [], NOON],
  ['closed hours', view({ hours: nights }, {}, { wall: NOON + 12 * HOUR }), ['outside_hours'], NOON + 57 * HOUR],
  ['paused into closed hours', view({ hours: nights }, {}, { wish: { pause: { until: NOON + 20 * HOUR } } }), ['paused'], NOON + 57 * HOUR],
  ['stopped, above all', view({}, { idleMs: 0, onBattery: true }, { stopped: true, wish: { pause: { until: null } } }), ['stopped', 'paused', 'in_use', 'on_battery'], null],
  ['a metered network', view({}, { metered: true }), ['metered'], null],
  ['a metered network, allowed', view({ pauseWhen: { metered: false } }, { metered: true }), [], NOON],
  ['on battery over a metered network', view({}, { metered: true, onBattery: true }), ['on_battery', 'metered'], null],
  ['hours that never open', view({ hours: { timeZone: 'UTC', week: {} } }), ['outside_hours'], null],
])('%s', (_name, one, reasons, nextAt) => {
  expect(ask(one)).toEqual({ work: reasons.length === 0, reasons, nextAt, attempts: reasons.length === 0 ? 'run' : reasons[0] === 'metered' ? 'run' : reasons[0] === 'stopped' ? 'hand_back' : 'freeze' })
})

test('work stands still for a while, and is then handed back; a short visit costs nothing', () => {
  const at = (now: number, idleMs: number, memory = NEW_OWNER_MEMORY) => decideOwner(memory, view({ freezeMs: 60_000 }, { idleMs }, { now }))
  const first = at(0, 0)
  expect(first.decision.attempts).toBe('freeze')
  expect(at(59_999, 10, first.memory).decision.attempts).toBe('freeze')
  const late = at(60_000, 10, first.memory)
  expect(late.decision.attempts).toBe('hand_back')
  const free = at(300_000, 180_000, late.memory)
  expect(free.decision.attempts).toBe('run')
  expect(at(310_000, 0, free.memory).decision.attempts).toBe('freeze') // a new pause, a new while
  expect(decideOwner(NEW_OWNER_MEMORY, view({ freezeMs: 0 }, { idleMs: 0 })).decision.attempts).toBe('hand_back')
})

test('a guard lets go below its limit and after a calm while, not at the first cooler reading', () => {
  let memory = NEW_OWNER_MEMORY
  const feel = (now: number, celsius: number | null): boolean => { const next = decideOwner(memory, view({}, { celsius }, { now })); memory = next.memory; return next.decision.work }
  expect([feel(0, 91), feel(1_000, 88), feel(20_000, 84), feel(31_001, 84)]).toEqual([false, false, false, true])
  expect([feel(32_000, 88), feel(33_000, 91), feel(50_000, 84), feel(60_000, 86), feel(89_000, 84), feel(90_001, 84)]).toEqual([true, false, false, false, false, true])
  feel(91_000, 95)
  expect(feel(91_001, null)).toBe(true)
})

test('the part for rent is whole, and never more than the node', () => {
  const full = { cpuMillis: 8000, memoryBytes: 10 * 1024 ** 3, diskBytes: 3_000_000_001, gpus: 1 }, all = OwnerSettings.parse({}).share
  expect(shareOf(full, all)).toBe(full)
  expect(shareOf(full, { ...all, cpuPercent: 33, memoryPercent: 1 })).toEqual({ ...full, cpuMillis: 2640, memoryBytes: 102 * 1024 ** 2 })
  expect(shareOf(full, { ...all, diskPercent: 50 })).toEqual({ ...full, diskBytes: 1430 * 1024 ** 2 })
  // Of percent and cores the smaller; more cores than there are is no limit.
  expect([0.5, 3, 64].map((cores) => shareOf(full, { ...all, cpuPercent: 50, cores }).cpuMillis)).toEqual([500, 3000, 4000])
})

test('clocks that are put on and back keep the owner’s hours', () => {
  const hours = { timeZone: 'Europe/Berlin', week: OwnerSettings.parse({ hours: { timeZone: 'Europe/Berlin', week: { sun: ['02:30-03:30'] } } }).hours!.week }
  // 28 March 2027: 01:59 is followed by 03:00. 25 October 2026: 02:00 to 03:00 comes twice.
  const on = Date.UTC(2027, 2, 28, 0, 0), back = Date.UTC(2026, 9, 24, 23, 0)
  expect(nextChange(hours, on, 'open')).toBe(Date.UTC(2027, 2, 28, 1, 0))
  expect(nextChange(hours, Date.UTC(2027, 2, 28, 1, 0), 'closed')).toBe(Date.UTC(2027, 2, 28, 1, 30))
  expect(nextChange(hours, back, 'open')).toBe(Date.UTC(2026, 9, 25, 0, 30))
  expect(nextChange(hours, Date.UTC(2026, 9, 25, 0, 30), 'closed')).toBe(Date.UTC(2026, 9, 25, 1, 0))
  expect(isOpenAt(hours, Date.UTC(2026, 9, 25, 1, 30))).toBe(true)
})
test('time zones of half and quarter hours are met to the minute', () => {
  const week = OwnerSettings.parse({ hours: { timeZone: 'UTC', week: { sat: ['17:50-18:00'] } } }).hours!.week
  expect(nextChange({ timeZone: 'Asia/Kathmandu', week }, NOON, 'open')).toBe(NOON + 5 * 60_000) // +05:45
  expect(localTime('Asia/Kolkata', NOON)).toEqual({ day: 'sat', minute: 17 * 60 + 30 })
})
test('until tomorrow is the next day’s morning, also shortly before it and over a change of clocks', () => {
  expect(tomorrowAt('Europe/Berlin', NOON, 8 * 60)).toBe(Date.UTC(2026, 10, 22, 7, 0))
  expect(tomorrowAt('Europe/Berlin', Date.UTC(2026, 10, 21, 23, 30), 8 * 60)).toBe(Date.UTC(2026, 10, 23, 7, 0))
  expect(tomorrowAt('Europe/Berlin', Date.UTC(2026, 9, 24, 12, 0), 8 * 60)).toBe(Date.UTC(2026, 9, 25, 7, 0))
  expect(dayStart('Europe/Berlin', NOON)).toBe(Date.UTC(2026, 10, 20, 23, 0))
})
