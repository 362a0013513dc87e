import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createMachine } from './machine.ts'

function setup() {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-machine-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const put = (path: string, text: string): void => { mkdirSync(dirname(join(dir, path)), { recursive: true }); writeFileSync(join(dir, path), text) }
  let now = 0, jobs = 0
  const traffic = (rows: Record<string, [number, number]>): void => put('proc/net/dev', `Inter-|   Receive  |  Transmit\n face |bytes packets errs drop fifo frame compressed multicast|bytes packets\n${Object.entries(rows).map(([name, [got, sent]]) => `  ${name}: ${got} 1 0 0 0 0 0 0 ${sent} 1 0 0 0 0 0 0`).join('\n')}\n`)
  put('proc/stat', 'cpu  100 0 0 900 0 0 0 0 0 0\n')
  put('proc/meminfo', 'MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 250 kB\n')
  traffic({ lo: [5_000, 5_000], eth0: [1_000, 100] })
  const machine = createMachine({ roots: { proc: join(dir, 'proc'), sys: join(dir, 'sys') }, dataDir: dir, now: () => now, jobsMs: () => jobs })
  const pass = (ms: number, jobMs: number): void => { now += ms; jobs += jobMs }
  return { machine, put, traffic, pass }
}
test('of the whole machine: processor, the part of jobs, memory, disk and network; no thermometer, no temperature', () => {
  const { machine, put, traffic, pass } = setup()
  pass(10_000, 1_000)
  put('proc/stat', 'cpu  400 0 0 1600 0 0 0 0 0 0\n') // 300 of 1000 hundredths of a second
  traffic({ lo: [9_000_000, 9_000_000], eth0: [101_000, 20_100] })
  const now = machine.read()
  expect(now).toMatchObject({ cpu_percent: 30, jobs_cpu_percent: 10, memory_bytes: 1_024_000, memory_percent: 75, in_bytes_s: 10_000, out_bytes_s: 2_000 })
  expect(now.disk_percent).toBeGreaterThan(0)
  expect('celsius' in now).toBe(false)
})
test('interfaces without hardware are not counted a second time where there is hardware; a count that falls is not traffic', () => {
  const { machine, put, traffic, pass } = setup()
  put('sys/class/net/eth0/device', '')
  put('sys/class/thermal/thermal_zone0/temp', '61500\n')
  traffic({ eth0: [1_000, 100], veth1: [1_000_000, 1_000_000] })
  pass(1_000, 0)
  expect(machine.read()).toMatchObject({ in_bytes_s: 0, out_bytes_s: 0, celsius: 61.5 })
  pass(1_000, 0)
  traffic({ eth0: [10, 300] })
  const now = machine.read()
  expect(['in_bytes_s' in now, now.out_bytes_s]).toEqual([false, 200])
})
