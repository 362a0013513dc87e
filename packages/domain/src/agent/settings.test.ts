import { expect, test } from 'vitest'
import { OwnerAsked, OwnerSettings } from '@lumaris/protocol'
import { ownSettings, resolveSettings } from './settings.ts'

const hours = { timeZone: 'UTC', week: OwnerSettings.parse({ hours: { timeZone: 'UTC', week: { mon: ['08:00-18:00'] } } }).hours!.week }

test('what is asked holds where the machine says nothing, and what the machine says wins, field by field', () => {
  const asked = OwnerAsked.parse({ share: { cpuPercent: 20, cores: 2 }, hours, pauseWhen: { inUse: false, hotterThanCelsius: 60 } })
  const { settings, local } = resolveSettings({ usual: { pauseWhen: { idleMs: 20_000 } }, asked, own: { share: { cpuPercent: 50 }, pauseWhen: { inUse: true, hotterThanCelsius: null } } })
  expect(settings).toMatchObject({ share: { cpuPercent: 50, memoryPercent: 100, cores: 2 }, hours, pauseWhen: { inUse: true, hotterThanCelsius: null, idleMs: 20_000, onBattery: true } })
  expect(local).toEqual(['share.cpuPercent', 'pauseWhen.inUse', 'pauseWhen.hotterThanCelsius'])
})
test('“at all hours”, set on the machine, is set', () => {
  expect(resolveSettings({ usual: {}, asked: { hours }, own: { hours: null } })).toMatchObject({ settings: { hours: null }, local: ['hours'] })
})
test('a machine that takes nothing from elsewhere takes nothing; that itself cannot be asked', () => {
  expect(resolveSettings({ usual: {}, asked: { share: { cpuPercent: 20 } }, own: { fromMarket: false } })).toMatchObject({ settings: { share: { cpuPercent: 100 }, fromMarket: false }, local: [] })
  expect(OwnerAsked.safeParse({ fromMarket: true }).success).toBe(false)
})
test('what somebody at the machine changes is theirs from then on, and nothing else is', () => {
  const asked = { share: { cpuPercent: 20 }, freezeMs: 0 }, held = resolveSettings({ usual: {}, asked, own: { hours } }).settings
  expect(ownSettings({ hours }, held, { ...held, freezeMs: 60_000 })).toEqual({ hours, freezeMs: 60_000 })
  expect(ownSettings({ hours }, held, { ...held, hours: null, share: { ...held.share, cpuPercent: 100 } })).toEqual({ hours: null, share: { cpuPercent: 100 } })
})
test.each([
  [{ share: { cpuPercent: 0 } }],
  [{ share: { cores: 0 } }],
  [{ share: { gpus: 1 } }],
  [{ freezeMs: 600_001 }],
  [{ hours: { timeZone: 'Mars/Base', week: {} } }],
  [{ hours: { timeZone: 'UTC', week: { mon: ['22:00-07:00'] } } }],
  [{ pauseWhen: { hotterThanCelsius: 200 } }],
  [{ paused: true }],
])('beyond its bounds nothing is asked: %j', (asked) => {
  expect(OwnerAsked.safeParse(asked).success).toBe(false)
})
