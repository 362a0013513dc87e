import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DAYS, OwnerSettings } from '@lumaris/protocol'
import type { Day } from '@lumaris/protocol'
import { NEW_OWNER_MEMORY, decideOwner, shareOf } from './owner.ts'
import type { OwnerMemory, OwnerView } from './owner.ts'

const minuteText = (minute: number): string => `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
const range = fc.tuple(fc.integer({ min: 0, max: 1438 }), fc.integer({ min: 1, max: 1440 })).filter(([a, b]) => a < b).map(([a, b]) => `${minuteText(a)}-${minuteText(b)}`)
const hours = fc.option(fc.record({
  timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'Pacific/Apia'),
  week: fc.record(Object.fromEntries(DAYS.map((day) => [day, fc.array(range, { maxLength: 3 })])) as Record<Day, fc.Arbitrary<string[]>>),
}))
const percent = fc.option(fc.integer({ min: 1, max: 100 }))
const settings = fc.record({
  hours, freezeMs: fc.integer({ min: 0, max: 600_000 }), share: fc.record({ cpuPercent: fc.integer({ min: 1, max: 100 }), memoryPercent: fc.integer({ min: 1, max: 100 }), diskPercent: fc.integer({ min: 1, max: 100 }), cores: fc.option(fc.integer({ min: 1, max: 40_960 }).map((tenths) => tenths / 10)) }),
  pauseWhen: fc.record({ inUse: fc.boolean(), terminals: fc.boolean(), idleMs: fc.integer({ min: 10_000, max: 600_000 }), otherCpuPercent: percent, metered: fc.boolean(), onBattery: fc.boolean(), batteryBelowPercent: percent, hotterThanCelsius: fc.option(fc.integer({ min: 30, max: 120 })) }),
}).map((one) => OwnerSettings.parse(one))
const wall = fc.integer({ min: 1_700_000_000_000, max: 1_900_000_000_000 })
const reading = fc.record({
  idleMs: fc.option(fc.integer({ min: 0, max: 700_000 })), otherCpuPercent: fc.option(fc.double({ min: 0, max: 100, noNaN: true })), onBattery: fc.option(fc.boolean()), batteryPercent: fc.option(fc.integer({ min: 0, max: 100 })), celsius: fc.option(fc.double({ min: 0, max: 120, noNaN: true })), metered: fc.option(fc.boolean()),
})
const view = fc.record({ settings, wish: fc.record({ pause: fc.option(fc.record({ until: fc.option(wall) })) }), stopped: fc.boolean(), readings: reading, now: fc.constant(0), wall })

test('whatever the machine shows, a wish is kept; and nothing runs while there is a reason', () => {
  fc.assert(fc.property(fc.array(view, { minLength: 1, maxLength: 8 }), (views) => {
    let memory: OwnerMemory = NEW_OWNER_MEMORY, now = 0
    for (const one of views) {
      now += 7_000
      const next = decideOwner(memory, { ...one, now })
      const { decision } = next
      if (one.stopped) expect(decision.attempts).toBe('hand_back')
      if (one.stopped || (one.wish.pause && (one.wish.pause.until === null || one.wall < one.wish.pause.until))) expect(decision.work).toBe(false)
      expect(decision.work).toBe(decision.reasons.length === 0)
      // Over a metered network nothing new begins; what runs goes on.
      const runs = decision.reasons.every((reason) => reason === 'metered')
      expect(decision.attempts === 'run').toBe(runs)
      expect(next.memory.pausedSince === null).toBe(runs)
      memory = next.memory
    }
  }))
})

test('the time it names is kept: then nothing stands against work but what could not be foreseen, and no minute before', () => {
  fc.assert(fc.property(view, (one) => {
    const { decision } = decideOwner(NEW_OWNER_MEMORY, one)
    if (decision.work || decision.nextAt === null) return
    const passed = (at: number): OwnerView => ({ ...one, wall: at, readings: { ...one.readings, idleMs: one.readings.idleMs === null ? null : one.readings.idleMs + at - one.wall } })
    expect(decideOwner(NEW_OWNER_MEMORY, passed(decision.nextAt)).decision.reasons).toEqual([])
    expect(decideOwner(NEW_OWNER_MEMORY, passed(decision.nextAt - 1)).decision.work).toBe(false)
  }), { numRuns: 300 })
})

test('a share is a share', () => {
  fc.assert(fc.property(settings, fc.integer({ min: 0, max: 4_096_000 }), fc.integer({ min: 0, max: 2 ** 50 }), ({ share }, cpuMillis, memoryBytes) => {
    const part = shareOf({ cpuMillis, memoryBytes, diskBytes: memoryBytes }, share)
    expect(part.cpuMillis).toBeLessThanOrEqual(cpuMillis)
    expect(part.memoryBytes).toBeLessThanOrEqual(memoryBytes)
    expect(part.diskBytes).toBeLessThanOrEqual(memoryBytes)
  }))
})
