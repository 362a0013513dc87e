// What a figure means nothing without: the machine, the versions, the commit. And the table for people.
import { spawnSync } from 'node:child_process'
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Load } from './load.ts'
import type { PeerResult } from './peers.ts'

export interface Machine {
  cpu: string; cores: number; memoryGiB: number; kernel: string; node: string
  /** Of other work, when the run began. */
  loadAverage: number
  /** Small synced writes per second in the directory of the servers: the floor under every durable commit that is made alone. */
  syncsPerSecond: number
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown', cores: availableParallelism(), memoryGiB: Math.round(totalmem() / 2 ** 30), kernel: release(), node: process.version,
    loadAverage: loadavg()[0] ?? 0, syncsPerSecond: probeSyncs(),
  }
}

function probeSyncs(): number {
  const directory = mkdtempSync(join(tmpdir(), 'lumaris-bench-sync-'))
  const file = openSync(join(directory, 'probe'), 'w')
  const page = Buffer.alloc(8192, 1)
  const begin = performance.now()
  let count = 0
  try {
    while (count < 500 && performance.now() - begin < 1000) { writeSync(file, page); fsyncSync(file); count++ }
    return Math.round(count / ((performance.now() - begin) / 1000))
  } finally {
    closeSync(file)
    rmSync(directory, { recursive: true, force: true })
  }
}

export function describeCommit(): string {
  const git = (...args: string[]): string => spawnSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', timeout: 10_000 }).stdout?.trim() ?? ''
  const commit = git('rev-parse', '--short=12', 'HEAD')
  if (!commit) return 'not in a git checkout'
  return git('status', '--porcelain') === '' ? commit : `${commit}, with uncommitted changes`
}

export function describeTable(results: readonly PeerResult[], load: Load): string {
  const whole = (value: number): string => value >= 1000 ? String(Math.round(value / 10) * 10).replace(/\B(?=(\d{3})+$)/g, ' ') : String(Math.round(value))
  const inTens = (value: number): string => value >= 100 ? value.toFixed(0) : value.toFixed(1)
  const rows = results.map(({ name, versions, median, missing, failed }) => {
    const title = `${name} (${Object.entries(versions).map(([key, value]) => `${key} ${value}`).join(', ')})`
    if (!median) return `| ${title} | ${missing === undefined ? 'failed' : 'not measured'}: ${(missing ?? failed ?? '').split('\n')[0]?.replaceAll('|', '/')} | | | |`
    return `| ${title} | ${whole(median.closedLoopPerSecond)} | ${whole(median.drainPerSecond)} | ${inTens(median.latencyMsP50)} / ${inTens(median.latencyMsP99)} | ${whole(median.rssMiB)} |`
  })
  return [
    `| peer | closed loop, ${load.closedLoop.inFlight} in flight, single adds (jobs/s) | drain of ${whole(load.drain.jobs)} preloaded (jobs/s) | submit → start at ${1000 / load.latency.everyMs}/s, p50 / p99 (ms) | its process, RSS (MiB) |`,
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n')
}
