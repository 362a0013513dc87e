// What the parts write, live and from the first byte. The connection belongs to one attempt at a time. The view follows the end until one scrolls up.
import { memo, useDeferredValue, useEffect, useMemo, useRef, useState } from 'react'
import { Button, Group, NativeSelect, Stack, Switch, Text, TextInput } from '@mantine/core'
import type { Attempt, Job } from '@lumaris/protocol'
import type { Client } from '@lumaris/sdk'
import { useClient } from '../session/use-session.ts'
import { plural, visible } from '../ui/format.ts'
import { Command, Empty, Refusal } from '../ui/parts.tsx'
import { ATTEMPT } from '../ui/states.ts'
import { LINES_MAX, LogLines } from './log-lines.ts'
import type { Line } from './log-lines.ts'
import { partName } from './Job.tsx'
import { saveAs } from './save.ts'

/** Of a job that is cut while it runs, those that anybody has had: numbers of parts that were joined lead nowhere. */
const partsOf = (job: Job, attempts: readonly Attempt[]): number[] => (job.spec.divide ? [...new Set(attempts.map(({ task }) => Number(task.split('.')[1])))].toSorted((a, b) => a - b) : Array.from({ length: Math.min(job.tasks.total, 1_000) }, (_, i) => i))

const SHOW_MS = 120
/** Lines of one block: laid out, and drawn again, together. */
const BLOCK = 200

export function Logs({ job, attempts, part, choose }: { job: Job; attempts: readonly Attempt[]; part: number | undefined; choose: (index: number) => void }) {
  const client = useClient()
  const ofPart = (index: number): readonly Attempt[] => attempts.filter((one) => one.task === `${job.id}.${index}`)
  const index = part ?? Math.max(0, attempts.findIndex((one) => one.startedAt !== undefined) >= 0 ? Number((attempts.find((one) => one.startedAt !== undefined) as Attempt).task.split('.')[1]) : 0)
  const tries = ofPart(index)
  const [wanted, setWanted] = useState<string | null>(null)
  const attempt = tries.find((one) => one.id === wanted) ?? tries.at(-1)
  return (
    <Stack gap="sm">
      <Group align="flex-end">
        {job.tasks.total > 1 && <NativeSelect label="Part" value={String(index)} onChange={(event) => choose(Number(event.currentTarget.value))} data={partsOf(job, attempts).map((i) => ({ value: String(i), label: `${i + 1}${partName(job, i) ? `: ${partName(job, i).slice(0, 40)}` : ''}` }))} maw={260} />}
        {tries.length > 1 && <NativeSelect label="Try" value={attempt?.id ?? ''} onChange={(event) => setWanted(event.currentTarget.value)} data={tries.map((one, i) => ({ value: one.id, label: `${i + 1}: ${visible(one.nodeName)}, ${ATTEMPT[one.state].word.toLowerCase()}` }))} maw={260} />}
      </Group>
      {attempt ? <Output key={attempt.id} client={client} attempt={attempt} /> : <Empty title="No output yet">Nothing is written before a node runs the part.</Empty>}
      <Command line={`npx lumaris logs ${job.endedAt === undefined ? '-f ' : ''}${job.id}${job.tasks.total > 1 ? ` --task ${index}` : ''}`} />
    </Stack>
  )
}

function Output({ client, attempt }: { client: Client; attempt: Attempt }) {
  const [version, setVersion] = useState(0), [over, setOver] = useState(false), [error, setError] = useState<unknown>(null)
  const [find, setFind] = useState(''), [stream, setStream] = useState(''), [wrap, setWrap] = useState(true), [numbers, setNumbers] = useState(false), [times, setTimes] = useState(false)
  const [follow, setFollow] = useState(true), [seen, setSeen] = useState(0)
  const log = useRef(new LogLines()), box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    log.current = new LogLines()
    const leaving = new AbortController()
    let timer: ReturnType<typeof setTimeout> | undefined
    const show = (): void => { timer = undefined; setVersion((now) => now + 1) }
    const read = async (): Promise<void> => {
      try {
        for await (const piece of client.logs(attempt.id, { signal: leaving.signal })) { log.current.add(piece); timer ??= setTimeout(show, SHOW_MS) }
        if (!leaving.signal.aborted) { show(); setOver(true) }
      } catch (failure) { if (!leaving.signal.aborted) setError(failure) }
    }
    void read()
    return () => { leaving.abort(); clearTimeout(timer) }
  }, [client, attempt.id])

  // The letter first, then the lines: ten thousand of them are not drawn between two keys.
  const sought = useDeferredValue(find)
  const shown = useMemo(() => {
    const wanted = sought.toLowerCase()
    return log.current.lines.filter((line) => (stream === '' || line.stream === stream) && (wanted === '' || line.text.toLowerCase().includes(wanted)))
  }, [version, sought, stream])
  const blocks = useMemo(() => {
    // A block keeps its lines for ever, so that only the last ones are drawn again.
    const found = new Map<number, Line[]>()
    for (const line of shown) { const block = Math.floor((line.number - 1) / BLOCK), lines = found.get(block); if (lines) lines.push(line); else found.set(block, [line]) }
    return [...found]
  }, [shown])
  useEffect(() => { if (follow && box.current) { box.current.scrollTop = box.current.scrollHeight; setSeen(log.current.count) } }, [shown, follow, wrap])
  const scrolled = (): void => { const element = box.current; if (element) setFollow(element.scrollHeight - element.scrollTop - element.clientHeight < 30) }
  const news = log.current.count - seen
  const save = async (): Promise<void> => {
    const pieces: Uint8Array<ArrayBuffer>[] = []
    try { for await (const piece of client.logs(attempt.id, { follow: false })) pieces.push(piece.bytes) } catch (failure) { setError(failure); return }
    saveAs(new Blob(pieces, { type: 'text/plain' }), `${attempt.id}.log`)
  }
  return (
    <Stack gap="xs">
      <Group align="flex-end" gap="sm">
        <TextInput label="Find in the output" data-filter value={find} onChange={(event) => setFind(event.currentTarget.value)} />
        <NativeSelect label="Stream" value={stream} onChange={(event) => setStream(event.currentTarget.value)} data={[{ value: '', label: 'Both' }, { value: 'stdout', label: 'Output' }, { value: 'stderr', label: 'Errors' }]} />
        <Switch label="Wrap" checked={wrap} onChange={(event) => setWrap(event.currentTarget.checked)} pb={8} />
        <Switch label="Numbers" checked={numbers} onChange={(event) => setNumbers(event.currentTarget.checked)} pb={8} />
        <Switch label="Times" checked={times} onChange={(event) => setTimes(event.currentTarget.checked)} pb={8} />
        <Button variant="default" onClick={() => void save()}>Download all</Button>
      </Group>
      {error !== null && <Refusal error={error} />}
      <div className={`log${wrap ? '' : ' no-wrap'}${numbers || times ? ' numbers' : ''}`} ref={box} onScroll={scrolled} tabIndex={0} role="region" aria-label={`Output on ${visible(attempt.nodeName)}`}>
        {log.current.count > LINES_MAX && <div className="quiet">The latest {LINES_MAX.toLocaleString('en')} lines of {log.current.count.toLocaleString('en')}. All of them are in the download.</div>}
        {blocks.map(([block, lines]) => <Block key={block} lines={lines} tail={lines.at(-1)?.text ?? ''} length={lines.length} numbers={numbers} times={times} />)}
        {shown.length === 0 && <div className="quiet">{over ? (find || stream ? 'No line fits.' : 'It wrote nothing.') : find || stream ? 'No line fits so far.' : 'Nothing written so far.'}</div>}
      </div>
      <Group justify="space-between" gap="xs">
        <Text size="sm" c="dimmed">{plural(log.current.count, 'line')}{find || stream ? `, ${shown.length.toLocaleString('en')} shown` : ''}; {over ? 'the output has ended' : 'live'}</Text>
        {!follow && <Button size="xs" variant="default" onClick={() => setFollow(true)}>{news > 0 ? `Jump to the latest (${news.toLocaleString('en')} new)` : 'Jump to the latest'}</Button>}
      </Group>
    </Stack>
  )
}
/** To the millisecond, in the time of this machine; the whole moment on hover. */
const clockOf = (at: number): string => { const day = new Date(at); return `${day.toTimeString().slice(0, 8)}.${String(day.getMilliseconds()).padStart(3, '0')}` }
/** Without numbers and times, lines of one stream that follow one another are one piece of text: ten thousand elements would make every search slow. */
const Block = memo(function Block({ lines, numbers, times }: { lines: readonly Line[]; tail: string; length: number; numbers: boolean; /** When each line began to arrive. */ times: boolean }) {
  const className = lines.length === BLOCK ? 'full' : undefined
  if (numbers || times) return <pre className={className}>{lines.map((line) => <span key={line.number} className={line.stream} title={new Date(line.at).toISOString()} data-number={[numbers ? line.number : '', times ? clockOf(line.at) : ''].filter(Boolean).join(' ')}>{line.text}{'\n'}</span>)}</pre>
  const runs: { stream: string; number: number; text: string }[] = []
  for (const line of lines) { const run = runs.at(-1); if (run?.stream === line.stream) run.text += `${line.text}\n`; else runs.push({ stream: line.stream, number: line.number, text: `${line.text}\n` }) }
  return <pre className={className}>{runs.map((run) => <span key={run.number} className={run.stream}>{run.text}</span>)}</pre>
}, (before, now) => before.numbers === now.numbers && before.times === now.times && before.length === now.length && before.tail === now.tail && before.lines[0]?.number === now.lines[0]?.number && before.lines.at(-1)?.number === now.lines.at(-1)?.number)
