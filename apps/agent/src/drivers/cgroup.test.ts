import { expect, test } from 'vitest'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCgroups } from './cgroup.ts'

test('version 2: the limits are written as the kernel reads them', () => {
  const root = mkdtempSync(join(tmpdir(), 'lumaris-cgroup-'))
  writeFileSync(join(root, 'cgroup.controllers'), 'cpu memory pids')
  const groups = createCgroups('x', root)
  expect(groups?.version).toBe(2)
  expect(readFileSync(join(root, 'lumaris-x', 'cgroup.subtree_control'), 'utf8')).toBe('+memory +pids +cpu')
  const group = groups?.create('job', { memoryBytes: 1000, pids: 7, cpuMillis: 250 })
  const read = (name: string): string => readFileSync(join(root, 'lumaris-x/job', name), 'utf8')
  expect([read('memory.max'), read('memory.swap.max'), read('pids.max'), read('cpu.max')]).toEqual(['1000', '0', '7', '25000 100000'])
  group?.set({ memoryBytes: 5000, pids: 3, cpuMillis: 1000 })
  expect([read('memory.max'), read('memory.swap.max'), read('pids.max'), read('cpu.max')]).toEqual(['5000', '0', '3', '100000 100000'])
  expect(group?.joinFiles).toEqual([join(root, 'lumaris-x/job/cgroup.procs')])
  writeFileSync(join(root, 'lumaris-x/job/memory.events'), 'low 0\noom 1\noom_kill 1\n')
  expect(group?.ranOutOfMemory()).toBe(true)
  rmSync(root, { recursive: true })
})
test('version 1: two controllers may be two names of one hierarchy', () => {
  const root = mkdtempSync(join(tmpdir(), 'lumaris-cgroup-'))
  for (const name of ['memory', 'pids', 'cpu', 'freezer']) mkdirSync(join(root, name))
  expect(createCgroups('x', root)).toBeNull() // one is missing: no half measures
  mkdirSync(join(root, 'cpuacct'))
  expect(createCgroups('x', root)?.create('job', { memoryBytes: 1000, pids: 7, cpuMillis: 1 }).joinFiles).toHaveLength(5)
  expect(readFileSync(join(root, 'cpu/lumaris-x/job/cpu.cfs_quota_us'), 'utf8')).toBe('1000')
  rmSync(root, { recursive: true })
})
const real = process.platform === 'linux' ? createCgroups(`testc${process.pid}`) : null
test.skipIf(!real)(`on this machine: a frozen process of a crashed agent is found, ended and its group removed${real ? '' : ' (no control groups can be made here)'}`, async () => {
  if (!real) return
  const group = real.create('left', { memoryBytes: 64 * 1024 * 1024, pids: 8, cpuMillis: 1000 })
  const child = spawn('/bin/sh', ['-c', `${group.joinFiles.map((file) => `echo $$ > '${file}'`).join(' && ')} && echo in && exec sleep 60`], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  await group.freeze(true)
  expect(group.isEmpty()).toBe(false)
  const ended = once(child, 'exit')
  expect(await real.reap()).toBe(1)
  expect((await ended)[1]).toBe('SIGKILL')
  expect(group.joinFiles.some((file) => existsSync(file))).toBe(false)
  expect(await real.reap()).toBe(0)
})
