// What the parts write, live and from the first byte. The connection belongs to one attempt at a time. The view follows the end until one scrolls up.
import { memo, useDeferredValue, useEffect, useMemo, useRef, useState } from 'react'
import { Button, Group, NativeSelect, Stack, Switch, Text, TextInput } from '@mantine/core'
import type { Attempt, Job } from '@lumaris/protocol'
import type { Client, LogPosition } from '@lumaris/sdk'
import { useTurns } from '../pace.ts'
import { useClient } from '../session/use-session.ts'
import { plural, visible } from '../ui/format.ts'
import { Command, Empty, Refusal } from '../ui/parts.tsx'
import { ATTEMPT } from '../ui/states.ts'
import { QUIET_MS } from '../ui/use-gathered.ts'
import { levelOf } from './log-level.ts'
import type { LogLevel } from './log-level.ts'
import { LINES_MAX, LogLines, lineAt } from './log-lines.ts'
import type { Line, Place } from './log-lines.ts'
import { partName } from './Job.tsx'
import { saveAs } from './save.ts'

/** Of a job that is cut while it runs, those that anybody has had: numbers of parts that were joined lead nowhere. */
const partsOf = (job: Job, attempts: readonly Attempt[]): number[] => (job.spec.divide ? [...new Set(attempts.map(({ task }) => Number(task.split('.')[1])))].toSorted((a, b) => a - b) : Array.from({ length: Math.min(job.tasks.total, 1_000) }, (_, i) => i))

const SHOW_MS = 120
/** Lines of one block: laid out, and drawn again, together. */
const BLOCK = 200

/** As it stands in an address. */
export type Linked = { readonly attempt?: string | undefined; readonly at?: string | undefined }
export type LogFilter = { readonly find?: string | undefined; readonly stream?: 'stdout' | 'stderr' | undefined; readonly level?: string | undefined }
/** An address for each letter would be work beside the search itself. */
const KEEP_MS = 300
function placeOf(at: string | undefined): Place | null {
  const [, stream, offset] = /^(stdout|stderr):(\d{1,15})$/.exec(at ?? '') ?? []
  return stream === undefined ? null : { stream: stream as Place['stream'], offset: Number(offset) }
}
type Filtering = { /** As the address has it. */ readonly filter: LogFilter; readonly keep: (filter: LogFilter) => void }
export function Logs({ job, attempts, part, choose, linked, link, ...filtering }: { job: Job; attempts: readonly Attempt[]; part: number | undefined; choose: (index: number) => void; linked: Linked; link: (to: Linked) => void } & Filtering) {
  const client = useClient()
  const ofPart = (index: number): readonly Attempt[] => attempts.filter((one) => one.task === `${job.id}.${index}`)
  const partOf = (attempt: string | undefined): number | undefined => { const found = attempts.find((one) => one.id === attempt); return found && Number(found.task.split('.')[1]) }
  const index = partOf(linked.attempt) ?? part ?? Math.max(0, attempts.findIndex((one) => one.startedAt !== undefined) >= 0 ? Number((attempts.find((one) => one.startedAt !== undefined) as Attempt).task.split('.')[1]) : 0)
  const tries = ofPart(index)
  const [wanted, setWanted] = useState<string | null>(linked.attempt ?? null)
  const attempt = tries.find((one) => one.id === wanted) ?? tries.at(-1)
  return (
    <Stack gap="sm">
      <Group align="flex-end">
        {job.tasks.total > 1 && <NativeSelect label="Part" value={String(index)} onChange={(event) => { setWanted(null); choose(Number(event.currentTarget.value)) }} data={partsOf(job, attempts).map((i) => ({ value: String(i), label: `${i + 1}${partName(job, i) ? `: ${partName(job, i).slice(0, 40)}` : ''}` }))} maw={260} />}
        {tries.length > 1 && <NativeSelect label="Try" value={attempt?.id ?? ''} onChange={(event) => { setWanted(event.currentTarget.value); link({}) }} data={tries.map((one, i) => ({ value: one.id, label: `${i + 1}: ${visible(one.nodeName)}, ${ATTEMPT[one.state].word.toLowerCase()}` }))} maw={260} />}
      </Group>
      {attempt ? <Output key={attempt.id} client={client} attempt={attempt} place={linked.attempt === attempt.id ? placeOf(linked.at) : null} link={(at) => link({ attempt: attempt.id, at })} {...filtering} /> : <Empty title="No output yet">Nothing is written before a node runs the part.</Empty>}
      <Command line={`npx lumaris logs ${job.endedAt === undefined ? '-f ' : ''}${job.id}${job.tasks.total > 1 ? ` --task ${index}` : ''}`} />
    </Stack>
  )
}

const LEVELS: readonly (readonly [LogLevel | 'none', string])[] = [['error', 'Errors'], ['warning', 'Warnings'], ['info', 'Information'], ['debug', 'Debugging'], ['none', 'Lines that do not say']]
function Output({ client, attempt, place, link, filter, keep }: { client: Client; attempt: Attempt; /** The line that the address names. */ place: Place | null; link: (at: string) => void } & Filtering) {
  const [version, setVersion] = useState(0), [over, setOver] = useState(false), [error, setError] = useState<unknown>(null)
  const [find, setFind] = useState(filter.find ?? ''), [stream, setStream] = useState<'stdout' | 'stderr' | ''>(filter.stream ?? ''), [level, setLevel] = useState(filter.level ?? ''), [wrap, setWrap] = useState(true), [numbers, setNumbers] = useState(place !== null), [times, setTimes] = useState(false)
  const [follow, setFollow] = useState(place === null), [seen, setSeen] = useState(0)
  // Lines around the one that the address named when it was opened stay, until one jumps to the latest.
  const [hold, setHold] = useState(place), [said, setSaid] = useState(''), [stop, setStop] = useState<number | null>(null), [arrived, setArrived] = useState(false)
  const log = useRef(new LogLines(hold)), position = useRef<LogPosition>({ stdout: 0, stderr: 0 }), box = useRef<HTMLDivElement>(null)
  const { follow: flows, turn } = useTurns(), [tries, setTries] = useState(0)
  useEffect(() => { log.current = new LogLines(hold); position.current = { stdout: 0, stderr: 0 }; setOver(false) }, [client, attempt.id, hold])
  // It rests while nobody looks, and goes on from the byte where it stopped.
  useEffect(() => {
    if (!flows && document.hidden) return
    const leaving = new AbortController(), lines = log.current
    let timer: ReturnType<typeof setTimeout> | undefined, quiet: ReturnType<typeof setTimeout> | undefined
    const show = (): void => { timer = undefined; setVersion((now) => now + 1) }
    const wait = (): void => { clearTimeout(quiet); if (!flows) quiet = setTimeout(() => leaving.abort(), QUIET_MS) }
    const read = async (): Promise<void> => {
      try {
        wait()
        // Whatever came has moved the position on: it is added, also by a reader that was told to stop.
        for await (const piece of client.logs(attempt.id, { signal: leaving.signal, position: position.current })) { lines.add(piece); timer ??= setTimeout(show, SHOW_MS); wait() }
        if (!leaving.signal.aborted) { show(); setOver(true) }
      } catch (failure) { if (!leaving.signal.aborted) setError(failure) } finally { clearTimeout(quiet) }
    }
    void read()
    return () => { leaving.abort(); clearTimeout(quiet) }
  }, [client, attempt.id, hold, tries, flows, flows ? 0 : turn])

  // The letter first, then the lines: ten thousand of them are not drawn between two keys.
  useEffect(() => {
    const now: LogFilter = { find: find || undefined, stream: stream || undefined, level: level || undefined }
    if (now.find === filter.find && now.stream === filter.stream && now.level === filter.level) return
    const timer = setTimeout(() => keep(now), KEEP_MS)
    return () => clearTimeout(timer)
  }, [find, stream, level, filter.find, filter.stream, filter.level, keep])
  const sought = useDeferredValue(find)
  const shown = useMemo(() => {
    const wanted = sought.toLowerCase()
    return log.current.lines.filter((line) => (stream === '' || line.stream === stream) && (level === '' || (levelOf(line.text) ?? 'none') === level) && (wanted === '' || line.text.toLowerCase().includes(wanted)))
  }, [version, sought, stream, level])
  const linked = useMemo(() => (place && (lineAt(log.current.lines, place)?.number ?? null)), [version, place?.stream, place?.offset])
  const blocks = useMemo(() => {
    // A block keeps its lines for ever, so that only the last ones are drawn again.
    const found = new Map<number, Line[]>()
    for (const line of shown) { const block = Math.floor((line.number - 1) / BLOCK), lines = found.get(block); if (lines) lines.push(line); else found.set(block, [line]) }
    return [...found]
  }, [shown])
  useEffect(() => { if (follow && box.current) { box.current.scrollTop = box.current.scrollHeight; setSeen(log.current.count) } }, [shown, follow, wrap])
  // Once, when it has come: later it is the reader who moves.
  useEffect(() => {
    if (!hold || arrived || linked === null || !(log.current.isThere || over)) return
    box.current?.querySelector(`[data-line="${linked}"]`)?.scrollIntoView({ block: 'center' })
    setStop(linked)
    setSeen(log.current.count)
    setArrived(true)
  }, [linked, over, hold, arrived, version])
  const pressed = (line: number): void => {
    const found = log.current.lines.find(({ number }) => number === line)
    if (!found) return
    const at = `${found.stream}:${found.offset}`, url = new URL(location.href)
    for (const [name, value] of [['tab', 'logs'], ['attempt', attempt.id], ['at', at]] as const) url.searchParams.set(name, value)
    setFollow(false)
    setStop(line)
    link(at)
    const tell = (copied: boolean): void => setSaid(copied ? `The link to line ${line} is copied.` : `The address of this page leads to line ${line} now.`)
    if ('clipboard' in navigator) navigator.clipboard.writeText(url.href).then(() => tell(true), () => tell(false)); else tell(false)
  }
  /** One stop for the Tab key; arrows go from line to line. */
  const walked = (event: React.KeyboardEvent): void => {
    if (!(event.target instanceof HTMLButtonElement) || (event.key !== 'ArrowDown' && event.key !== 'ArrowUp')) return
    event.preventDefault()
    const all = [...box.current?.querySelectorAll<HTMLButtonElement>('.line-link') ?? []], to = all[all.indexOf(event.target) + (event.key === 'ArrowDown' ? 1 : -1)]
    if (!to) return
    to.focus()
    setStop(Number(to.dataset['of']))
  }
  const latest = (): void => { setFollow(true); if (log.current.isFull) setHold(null) }
  const first = shown.some((line) => line.number === stop) ? stop : shown.at(-1)?.number ?? null
  const scrolled = (): void => { const element = box.current; if (element) setFollow(element.scrollHeight - element.scrollTop - element.clientHeight < 30) }
  const news = log.current.count - seen, filtered = find !== '' || stream !== '' || level !== ''
  const save = async (): Promise<void> => {
    const pieces: Uint8Array<ArrayBuffer>[] = []
    try { for await (const piece of client.logs(attempt.id, { follow: false })) pieces.push(piece.bytes) } catch (failure) { setError(failure); return }
    saveAs(new Blob(pieces, { type: 'text/plain' }), `${attempt.id}.log`)
  }
  return (
    <Stack gap="xs">
      <Group align="flex-end" gap="sm">
        <TextInput label="Find in the output" data-filter value={find} onChange={(event) => setFind(event.currentTarget.value)} />
        <NativeSelect label="Stream" value={stream} onChange={(event) => setStream(event.currentTarget.value as typeof stream)} data={[{ value: '', label: 'Both' }, { value: 'stdout', label: 'Output' }, { value: 'stderr', label: 'Errors' }]} />
        <NativeSelect label="Level" title="As the lines themselves say it" value={level} onChange={(event) => setLevel(event.currentTarget.value)} data={[{ value: '', label: 'All' }, ...LEVELS.map(([value, label]) => ({ value, label }))]} />
        <Switch label="Wrap" checked={wrap} onChange={(event) => setWrap(event.currentTarget.checked)} pb={8} />
        <Switch label="Numbers and links" checked={numbers} onChange={(event) => setNumbers(event.currentTarget.checked)} pb={8} />
        <Switch label="Times" checked={times} onChange={(event) => setTimes(event.currentTarget.checked)} pb={8} />
        <Button variant="default" onClick={() => void save()}>Download all</Button>
      </Group>
      {error !== null && <Refusal error={error} retry={() => { setError(null); setTries((now) => now + 1) }} />}
      <div className={`log${wrap ? '' : ' no-wrap'}${numbers || times ? ' numbers' : ''}`} ref={box} onScroll={scrolled} onKeyDown={walked} onClick={(event) => { const button = (event.target as HTMLElement).closest<HTMLElement>('.line-link'); if (button) pressed(Number(button.dataset['of'])) }} tabIndex={0} role="region" aria-label={`Output on ${visible(attempt.nodeName)}`}>
        {log.current.count > LINES_MAX && <div className="quiet">{log.current.isFull ? `${LINES_MAX.toLocaleString('en')} lines around the one of the link` : `The latest ${LINES_MAX.toLocaleString('en')} lines`} of {log.current.count.toLocaleString('en')}. All of them are in the download.</div>}
        {blocks.map(([block, lines]) => <Block key={block} lines={lines} tail={lines.at(-1)?.text ?? ''} length={lines.length} numbers={numbers} times={times} linked={within(linked, lines)} stop={numbers ? within(first, lines) : null} />)}
        {shown.length === 0 && <div className="quiet">{over ? (filtered ? 'No line fits.' : 'It wrote nothing.') : filtered ? 'No line fits so far.' : 'Nothing written so far.'}</div>}
      </div>
      <Group justify="space-between" gap="xs">
        <Text size="sm" c="dimmed"><span role="status">{said}</span> {plural(log.current.count, 'line')}{filtered ? `, ${shown.length.toLocaleString('en')} shown` : ''}; {over ? 'the output has ended' : flows ? 'live' : 'as it was when it was last asked'}</Text>
        {!follow && <Button size="xs" variant="default" onClick={latest}>{news > 0 ? `Jump to the latest (${news.toLocaleString('en')} new)` : 'Jump to the latest'}</Button>}
      </Group>
    </Stack>
  )
}
/** To the millisecond, in the time of this machine; the whole moment on hover. */
const clockOf = (at: number): string => { const day = new Date(at); return `${day.toTimeString().slice(0, 8)}.${String(day.getMilliseconds()).padStart(3, '0')}` }
/** Without numbers and times, lines of one stream that follow one another are one piece of text: ten thousand elements would make every search slow. */
const within = (number: number | null, lines: readonly Line[]): number | null => (number !== null && number >= (lines[0]?.number ?? 0) && number <= (lines.at(-1)?.number ?? -1) ? number : null)
const Block = memo(function Block({ lines, numbers, times, linked, stop }: { lines: readonly Line[]; tail: string; length: number; numbers: boolean; /** When each line began to arrive. */ times: boolean; /** The line of the address, and the one that Tab stops at. */ linked: number | null; stop: number | null }) {
  const className = lines.length === BLOCK ? 'full' : undefined
  if (numbers || times) return <pre className={className}>{lines.map((line) => <span key={line.number} className={line.number === linked ? `${line.stream} linked` : line.stream} data-line={line.number} title={new Date(line.at).toISOString()} data-number={[numbers ? line.number : '', times ? clockOf(line.at) : ''].filter(Boolean).join(' ')}>{numbers && <button type="button" className="line-link" data-of={line.number} tabIndex={line.number === stop ? 0 : -1} aria-label={`Copy the link to line ${line.number}`} />}{line.text}{'\n'}</span>)}</pre>
  const runs: { stream: string; number: number; text: string }[] = []
  for (const line of lines) { const run = runs.at(-1); if (run?.stream === line.stream) run.text += `${line.text}\n`; else runs.push({ stream: line.stream, number: line.number, text: `${line.text}\n` }) }
  return <pre className={className}>{runs.map((run) => <span key={run.number} className={run.stream}>{run.text}</span>)}</pre>
}, (before, now) => before.numbers === now.numbers && before.linked === now.linked && before.stop === now.stop && before.times === now.times && before.length === now.length && before.tail === now.tail && before.lines[0]?.number === now.lines[0]?.number && before.lines.at(-1)?.number === now.lines.at(-1)?.number)
