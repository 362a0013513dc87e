import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { PANELS, tabOf } from './panels.ts'
import { TABS } from './tabs.ts'

test('every panel of a node’s page is found by its id', () => {
  const sources = [...['Node', 'Machine', 'Activity', 'Earned', 'Estimate', 'HoursAndLimits', 'Policy', 'Reputation'].map((name) => join(import.meta.dirname, `${name}.tsx`)), join(import.meta.dirname, '../admin/Evidence.tsx')]
  const ids = sources.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/<Panel\b[^>]*? id="([^"]+)"/g)].map((match) => match[1] as string))
  expect(ids.toSorted()).toEqual(Object.keys(PANELS).toSorted())
  // No part of the page was forgotten here.
  const parts = [...readFileSync(join(import.meta.dirname, 'Node.tsx'), 'utf8').matchAll(/import\('\.\/(\w+)\.tsx'\)/g)].map((match) => `${match[1]}.tsx`)
  expect(parts.filter((name) => !sources.some((file) => file.endsWith(`/${name}`)))).toEqual([])
  expect(readdirSync(import.meta.dirname)).toEqual(expect.arrayContaining(parts))
})
test('an address within the page leads to a tab; another leads nowhere', () => {
  expect([tabOf('prices'), tabOf('heartbeat'), tabOf('event-att_01'), tabOf(''), tabOf('constructor'), tabOf('main')]).toEqual(['price', 'events', 'events', undefined, undefined, undefined])
  expect(Object.keys(TABS)).toEqual(expect.arrayContaining([...new Set(Object.values(PANELS))]))
})
