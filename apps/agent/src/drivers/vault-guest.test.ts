// Encrypted scratch by the device mapper, which many test machines do not have: a machine in software, in which the agent's own code opens vaults, runs jobs in them and is
// killed, and the raw disk is searched; once more by this test, when the machine is off.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testImages } from '../images/test-images.ts'
import { ImagesRefused } from '../images/packages.ts'
import { runMachine } from '../images/test-machine.ts'
import type { Told } from '../images/test-machine.ts'
import { findInFile } from './vault.ts'

/** It takes a minute on two quiet cores, and took more than five on two slow ones that had other work. */
const BOUND_MS = 1_200_000
const kept = await testImages()
let missing = 'reason' in kept ? kept.reason : null
const dir = mkdtempSync(join(tmpdir(), 'lumaris-dmcrypt-')), disk = join(dir, 'disk')
let told: Told = { said: '', facts: new Map() }

beforeAll(async () => {
  if ('reason' in kept) return
  execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', disk, '96M'])
  try { told = await runMachine({ kept, disk, program: join(import.meta.dirname, 'vault-guest.ts'), packages: ['cryptsetup-bin', 'dmsetup', 'e2fsprogs', 'bubblewrap', 'mount'], modules: ['loop', 'dm_mod', 'dm_crypt', 'ecb', 'xts'], boundMs: BOUND_MS }) }
  catch (error) { if (!(error instanceof ImagesRefused)) throw error; missing = error.message }
}, BOUND_MS + 60_000)
afterAll(() => { rmSync(dir, { recursive: true, force: true }) })

const NOTHING = { mappings: 0, mounts: 0, images: 0, loops: 0 }
const inGuest = (what: string, act: (fact: (name: string) => Record<string, unknown>) => void | Promise<void>): void => {
  test(`dm-crypt: ${what}`, async (context) => { if (missing !== null) return context.skip(missing); await act((name) => told.facts.get(name) ?? { said: `nothing of ${name} was told: ${told.said.slice(-3_000)}` }) })
}

inGuest('it is offered where its canary was stopped; a tool that maps without encrypting is found out, and one that cannot says why', (fact) => {
  expect(fact('offered')).toEqual({ by: 'dm-crypt' })
  expect(fact('liar')).toEqual({ reason: 'xfs_io is not installed (fscrypt); what was written into an encrypted device was found on the disk (dm-crypt)', hint: 'apt-get install -y xfsprogs', ...NOTHING })
  expect(fact('refused')).toMatchObject({ reason: expect.stringContaining('Cannot initialize device-mapper') as string, ...NOTHING })
})
inGuest('while a job runs nothing of it is on the raw disk; its key is of 512 bits, and in no argument, no variable and no file', (fact) => {
  expect(fact('running')).toEqual({ found: [], mapping: expect.stringMatching(/^lumaris-[0-9a-f]{16}$/) as string, keyBits: 512, calls: 2, keyIn: [], keyOnDisk: 0 })
})
inGuest('when it has ended its results are home, and neither words nor mapping nor image are left', (fact) => { expect(fact('ended')).toEqual({ home: true, found: [], ...NOTHING }) })
inGuest('when the agent is killed, the guard takes the key', (fact) => {
  expect(fact('before')).toEqual({ found: [], mappings: 1 })
  expect(fact('killed')).toEqual({ jobs: 0, found: [], ...NOTHING })
})
inGuest('when the guard is killed too, the next start takes it', (fact) => { expect(fact('swept')).toEqual({ stays: 1, found: [], ...NOTHING }) })
inGuest('a file that is still open does not keep the key: what is left of the mapping fails, and goes with whoever holds it', (fact) => {
  expect(fact('held')).toEqual({ closed: 'closed', table: expect.stringMatching(/^0 \d+ error\s*$/) as string, gone: true, ...NOTHING })
})
inGuest('the same without encryption is found, by the same search', async (fact) => {
  const words = (name: string): string[] => ['as-a-name', 'in-a-result', 'in-an-input'].map((place) => `${name}-${place}`)
  expect(fact('plain')).toEqual({ found: words('plain') })
  // The blocks of its files are free now, and as they were.
  expect([...await findInFile(disk, ['first', 'second', 'third', 'plain'].flatMap(words))]).toContain('plain-in-a-result')
  expect([...await findInFile(disk, ['first', 'second', 'third'].flatMap(words))]).toEqual([])
  expect(told.said).toContain('@@over')
})
