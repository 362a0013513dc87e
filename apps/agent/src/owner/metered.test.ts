import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { meteredOf, watchMetered } from './metered.ts'

test.each([['u 1\n', true], ['u 2\n', false], ['u 3\n', true], ['u 4\n', false], ['u 0\n', null], ['', null], ['s "yes"\n', null], ['u 11\n', null]])('%j means metered: %s', (answer, means) => expect(meteredOf(answer)).toBe(means))
test('NetworkManager is asked now and then; where there is none, nobody knows', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-metered-')), busctl = join(dir, 'busctl')
  onTestFinished(() => rmSync(dir, { recursive: true }))
  writeFileSync(busctl, '#!/bin/sh\n[ "$7" = Metered ] && echo u 1\n')
  chmodSync(busctl, 0o755)
  const ask = watchMetered(busctl)
  expect(ask(0)).toBe(null)
  await expect.poll(() => ask(1)).toBe(true)
  rmSync(busctl)
  expect(ask(29_000)).toBe(true)
  ask(31_000)
  await expect.poll(() => ask(32_000)).toBe(null)
})
