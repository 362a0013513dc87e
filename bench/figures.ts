// What several benchmarks reckon and write alike: means, shares, tables, targets, the line that says what a run was made on, and a run in a process of its own.
import { spawnSync } from 'node:child_process'
import type { Machine } from './peers/report.ts'

/** 0 where there are none. */
export const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
/** The upper one of two in the middle. */
export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
/** Writes shares with so many digits. */
export const percentIn = (digits: number) => (share: number, other = digits): string => `${(100 * share).toFixed(other)} %`
export const percent = percentIn(1)

const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`
export const table = (columns: readonly string[], rows: readonly (readonly (string | number)[])[]): string => [line(columns), `|${columns.map(() => '---').join('|')}|`, ...rows.map(line), ''].join('\n')
export const titled = (title: string, columns: readonly string[], rows: readonly (readonly (string | number)[])[]): string => `**${title}**\n\n${table(columns, rows)}`

export type Target = { readonly what: string; readonly must: string; readonly measured: string; readonly met: boolean }
export const targetTable = (targets: readonly Target[]): string => table(['figure', 'must', 'measured', ''], targets.map(({ what, must, measured, met }) => [what, must, measured, met ? 'met' : '**missed**']))

/** What figures mean nothing without; `at` is an ISO date. */
export const runLine = (at: string, commit: string, { cores, cpu, node, loadAverage }: Machine): string => `${at.slice(0, 10)}, commit ${commit}, ${cores} cores (${cpu}), Node ${node}, load average ${loadAverage.toFixed(1)} before the run`

/** A run of `file` in a process of its own, with these options of Node, so that memory is its own and nothing is warmed by another; what it prints is its result. Throws what it said last. */
export function runApart<Result>(file: string, flag: string, run: { readonly nodes: number }, { id, timeoutMs }: { readonly id: string; readonly timeoutMs: number }): Result {
  const done = spawnSync(process.execPath, [flag, file, JSON.stringify(run)], { encoding: 'utf8', timeout: timeoutMs, stdio: ['ignore', 'pipe', 'pipe'] })
  if (done.status !== 0) throw new Error(`${id} at ${run.nodes} nodes ended with ${done.status ?? done.signal}: ${done.stderr.trim().split('\n').slice(-3).join(' ')}`)
  return JSON.parse(done.stdout) as Result
}
