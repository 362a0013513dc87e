// Version 2 of control groups on a kernel that has nothing else: a machine in software, in which the agent's own code limits programs that do their worst. Many
// test machines still have version 1 only, and there this is the only place where that code runs.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { IMAGE_FILES } from '../images/build-images.ts'
import { cpioOf } from '../images/cpio.ts'
import { testImages } from '../images/test-images.ts'
import { inPath } from './stage.ts'

/** A start and all that is done take 20 s on two quiet cores. */
const BOUND_MS = 150_000
const INIT = `#!/bin/busybox sh
export PATH=/bin
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod "/modules/$module"; done
mount -t ext4 -o ro /dev/vda /root
mount -t ext4 -o ro /dev/vdb /root/work
mount -t devtmpfs dev /root/dev
mount -t proc proc /root/proc
mount -t sysfs sys /root/sys
mount -t cgroup2 cgroup /root/sys/fs/cgroup
mount -t tmpfs tmp /root/tmp
busybox chroot /root /usr/bin/env -i PATH=/usr/bin:/bin LD_LIBRARY_PATH=/work/lib /work/node /work/cgroup-guest.mjs > /dev/ttyS0 2>&1
echo "@@over" > /dev/ttyS0
poweroff -f
`
const kept = await testImages()
const missing = 'reason' in kept ? kept.reason : null
const dir = mkdtempSync(join(tmpdir(), 'lumaris-cgroup2-'))
const facts = new Map<string, Record<string, unknown>>()
let said = ''

beforeAll(async () => {
  if ('reason' in kept) return
  const files = join(dir, 'files'), lib = join(files, 'lib')
  mkdirSync(lib, { recursive: true })
  copyFileSync(process.execPath, join(files, 'node'))
  for (const [, path = ''] of execFileSync('ldd', [process.execPath], { encoding: 'utf8' }).matchAll(/=> (\/\S*\/lib(?:stdc\+\+|gcc_s|atomic)\.\S+) /g)) copyFileSync(path, join(lib, basename(path)))
  // Without types: what takes them away is slow to start in software.
  for (const name of ['cgroup', 'cgroup-guest']) writeFileSync(join(files, `${name}.mjs`), stripTypeScriptTypes(readFileSync(join(import.meta.dirname, `${name}.ts`), 'utf8')).replaceAll(/(from '\.\/[\w-]+)\.ts'/g, "$1.mjs'"))
  execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-d', files, join(dir, 'disk'), '256M'])
  // Of two archives in a row the kernel unpacks both, and the later file stands.
  writeFileSync(join(dir, 'initrd'), Buffer.concat([readFileSync(join(kept.images, IMAGE_FILES.initrd)), cpioOf([{ path: 'init', kind: 'file', mode: 0o755, bytes: Buffer.from(INIT) }])]))
  const disk = (file: string, name: string): string[] => ['-blockdev', `driver=file,filename=${file},node-name=${name},read-only=on`, '-device', `virtio-blk-pci,drive=${name}`]
  const machine = spawn(inPath('qemu-system-x86_64') as string, [
    '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-accel', 'tcg,tb-size=128', '-cpu', 'max', '-m', '768', '-smp', '2', '-M', 'q35,sata=off,smbus=off,i8042=off,vmport=off,hpet=off',
    '-kernel', join(kept.images, IMAGE_FILES.kernel), '-initrd', join(dir, 'initrd'), '-append', 'console=ttyS0 quiet reboot=t panic=-1 nokaslr mitigations=off nopti random.trust_cpu=on audit=0 no_timer_check lsm=',
    ...disk(join(kept.images, IMAGE_FILES.root), 'root'), ...disk(join(dir, 'disk'), 'work'), '-serial', 'stdio',
  ], { stdio: ['ignore', 'pipe', 'pipe'] })
  for (const stream of [machine.stdout, machine.stderr]) stream.on('data', (chunk) => { said += String(chunk) })
  const late = setTimeout(() => { machine.kill('SIGKILL') }, BOUND_MS)
  await new Promise((resolve) => machine.once('close', resolve))
  clearTimeout(late)
  for (const [, line = ''] of said.matchAll(/^@@(\{.*\})\r?$/gm)) { const { name, ...rest } = JSON.parse(line) as { name: string }; facts.set(name, rest) }
}, BOUND_MS + 30_000)
afterAll(() => { rmSync(dir, { recursive: true, force: true }) })

const fact = (name: string): Record<string, unknown> => facts.get(name) ?? { said: `nothing of ${name} was told: ${said.slice(-2_000)}` }
const inGuest = (what: string, act: (who: string) => void): void => {
  for (const [who, prefix] of [['root', ''], ['a user with a group of his own', 'delegated ']] as const) test.skipIf(missing)(`version 2, as ${who}: ${what}${missing ? ` (${missing})` : ''}`, () => { act(prefix) })
}

inGuest('it is found and used', (who) => {
  expect(fact(`${who}version`)).toMatchObject({ version: 2, base: who === '' ? '0::/' : '0::/service/agent' })
  expect(said).toContain('@@over')
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
