import { expect, test } from 'vitest'
import { OwnerSettings } from '@lumaris/protocol'
import type { NodeSettings, OwnerAsked, OwnerSettingsInput } from '@lumaris/protocol'
import { askOf, limitsOf } from './limits.ts'

const settings = (asked: OwnerAsked | null, held: OwnerSettingsInput | null, local: string[] = [], from_market = true): NodeSettings => {
  const { fromMarket: _own, logLevel: _its, ...rest } = OwnerSettings.parse(held ?? {})
  return {
    asked: asked && { number: 1, at: 1, settings: asked },
    said: held && { number: 0, from_market, local, full: { cpuMillis: 8_000, memoryBytes: 1, diskBytes: 1 }, settings: rest, at: 1 },
  }
}
test('what was asked is shown before it is confirmed, but where the machine has its own word', () => {
  const shown = limitsOf(settings({ share: { cpuPercent: 50, memoryPercent: 50 }, freezeMs: 0 }, { share: { cpuPercent: 20 }, freezeMs: 1_000 }, ['share.cpuPercent']))
  expect(shown).toMatchObject({ share: { cpuPercent: 20, memoryPercent: 50 }, freezeMs: 0, hours: null })
  expect(limitsOf(settings({ share: { cpuPercent: 50 } }, {}, [], false)).share.cpuPercent).toBe(100)
  expect(limitsOf(settings(null, null))).toMatchObject({ share: { cpuPercent: 100 }, pauseWhen: { inUse: true } })
})
test('only what was changed is asked, beside what was asked before', () => {
  const before = settings({ share: { cpuPercent: 50 }, hours: null }, { share: { cpuPercent: 50 } }), shown = limitsOf(before)
  expect(askOf(before, shown, shown)).toEqual({ share: { cpuPercent: 50 }, pauseWhen: {}, hours: null })
  expect(askOf(before, shown, { ...shown, share: { ...shown.share, cores: 2 }, pauseWhen: { ...shown.pauseWhen, onBattery: false }, freezeMs: 0 })).toEqual({ share: { cpuPercent: 50, cores: 2 }, pauseWhen: { onBattery: false }, hours: null, freezeMs: 0 })
})
