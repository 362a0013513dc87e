// The view of `lumaris top`, by ink: React for terminals. Without JSX, because Node runs these files as they are.
import { Box, Text, render, useApp, useInput, useWindowSize } from 'ink'
import { createElement as h, useEffect, useRef, useState } from 'react'
import type { ReactElement } from 'react'
import type { OwnerJob, OwnerStatus } from '@lumaris/protocol'
import type { Io } from '../context.ts'
import { clean } from './clean.ts'
import { amountOf } from './money.ts'
import { agoText, durationText, sizeText } from './time.ts'
import { pad, truncate } from './width.ts'

export type TopPorts = { readonly io: Io; readonly seconds: AsyncIterable<OwnerStatus>; readonly signal: AbortSignal; readonly toggle: (now: OwnerStatus) => Promise<void> }
const COLOURS = { earning: 'green', idle: 'blue', paused: 'yellow', problem: 'red' } as const
const BARS = '▁▂▃▄▅▆▇█'
const HISTORY = 60, WIDE = 90

export async function showTop({ io, seconds, signal, toggle }: TopPorts): Promise<void> {
  let failed: unknown = null
  const app = render(h(Top, { seconds, toggle, failed: (error: unknown) => { failed = error } }), { stdin: io.stdin as unknown as NodeJS.ReadStream, stdout: io.stdout as unknown as NodeJS.WriteStream, stderr: io.stderr as unknown as NodeJS.WriteStream, exitOnCtrlC: true, patchConsole: false, interactive: true /* who calls this has seen a terminal; ink's own guess shows nothing before the end where CI is set */ })
  signal.addEventListener('abort', () => app.unmount(), { once: true })
  await app.waitUntilExit()
  if (failed !== null) throw failed
}

function Top({ seconds, toggle, failed }: { seconds: AsyncIterable<OwnerStatus>; toggle: TopPorts['toggle']; failed: (error: unknown) => void }): ReactElement | null {
  const { exit } = useApp()
  const { columns } = useWindowSize()
  const [view, setView] = useState<{ now: OwnerStatus; cpu: number[] } | null>(null)
  const newest = useRef<OwnerStatus | null>(null) // a key may come before React has given the handler what is on the screen already
  useEffect(() => {
    let over = false
    void (async () => {
      try {
        for await (const now of seconds) { if (over) return; newest.current = now; setView((before) => ({ now, cpu: [...(before?.cpu ?? []), now.cpuPercent].slice(-HISTORY) })) }
      } catch (error) { failed(error) }
      exit()
    })()
    return () => { over = true }
  }, [])
  useInput((key, { escape }) => {
    if (key === 'q' || escape) exit()
    if ((key === 'p' || key === ' ') && newest.current) toggle(newest.current).catch((error: unknown) => { failed(error); exit() })
  })
  return view ? h(Screen, { ...view, columns: Math.max(40, columns) }) : null
}

function Screen({ now, cpu, columns }: { now: OwnerStatus; cpu: readonly number[]; columns: number }): ReactElement {
  const wide = columns >= WIDE
  const width = wide ? Math.floor((columns - 2) / 3) : columns
  const pair = (name: string, value: string): ReactElement => h(Text, { key: name, wrap: 'truncate' }, h(Text, { dimColor: true }, pad(name, 10)), value)
  const word = now.stopped ? 'STOPPED' : now.word.toUpperCase()
  const again = now.word === 'paused' && now.nextAt !== null ? ` Again at ${new Date(now.nextAt).toLocaleString('en-GB', { weekday: 'short', hour: '2-digit', minute: '2-digit' })}.` : ''
  return h(Box, { flexDirection: 'column', width: columns },
    h(Text, { wrap: 'truncate' }, h(Text, { bold: true, inverse: true, color: COLOURS[now.word] }, ` ${word} `), ` ${clean(now.says)}${again}`),
    h(Text, { dimColor: true, wrap: 'truncate' }, `${clean(now.name)} · ${now.node} · ${clean(now.market)}${now.connected ? '' : ' (not connected)'}`),
    h(Box, { marginTop: 1, flexDirection: wide ? 'row' : 'column' },
      h(Box, { flexDirection: 'column', width }, pair('Processor', `${bar(now.cpuPercent, 14)} ${Math.round(now.cpuPercent)} %`), pair('of jobs', `${Math.round(now.jobsCpuPercent)} %, limit ${now.cpuLimitPercent} %`), pair('1 min', spark(cpu, width - 12))),
      h(Box, { flexDirection: 'column', width }, pair('Memory', `${bar((now.memoryUsedBytes / now.memoryBytes) * 100, 14)} ${sizeText(now.memoryUsedBytes)}`), pair('for rent', `${now.offered.cpuMillis / 1000} cores, ${sizeText(now.offered.memoryBytes)}`), pair('sensors', [now.celsius === null ? '' : `${Math.round(now.celsius)} °C`, now.batteryPercent === null ? '' : `battery ${now.batteryPercent} %`, now.idleMs === null ? '' : `idle ${durationText(now.idleMs)}`].filter(Boolean).join(', ') || '–')),
      h(Box, { flexDirection: 'column', width }, pair('Today', now.earnings ? `${amountOf(now.earnings.recent)} credits` : '–'), pair('In all', now.earnings ? `${amountOf(now.earnings.total)}, pending ${amountOf(now.earnings.pending)}` : '–'), pair('as of', now.earnings ? agoText(now.earnings.at, now.at) : '–'))),
    h(Box, { marginTop: 1, flexDirection: 'column' }, h(Text, { bold: true }, `Running jobs (${now.jobs.length})`), ...now.jobs.map((job) => h(Text, { key: job.attempt, wrap: 'truncate' }, line(job, columns)))),
    ...(now.problems.length > 0 ? [h(Box, { key: 'problems', marginTop: 1, flexDirection: 'column' }, ...now.problems.map((one) => h(Text, { key: one.code }, h(Text, { color: 'yellow' }, `! ${clean(one.says)} `), clean(one.command === undefined ? one.fix : `${one.fix} ${one.command}`))))] : []),
    h(Box, { marginTop: 1 }, h(Text, { dimColor: true }, `p ${now.stopped || now.wish.pause ? 'lets work run again' : 'pauses'}   q leaves   lumaris agent gui shows more`)))
}
const line = (job: OwnerJob, columns: number): string => `${pad(truncate(clean(job.program), 16), 16)}  ${pad(job.state, 8)}  ${pad(durationText(job.runMs), 13, true)}  ${pad(`${job.cpuPercent} %`, 5, true)}  ${pad(amountOf(job.earning), 9, true)} ${columns > WIDE ? `  ${job.job}` : ''}`
const bar = (percent: number, cells: number): string => { const full = Math.round((Math.min(100, percent) / 100) * cells); return '█'.repeat(full) + '░'.repeat(cells - full) }
const spark = (values: readonly number[], cells: number): string => values.slice(-Math.max(1, cells)).map((value) => BARS[Math.min(7, Math.floor(value / 12.5))]).join('')
