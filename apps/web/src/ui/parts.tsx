// The small things that every screen is made of. They know no routes and no interface.
import { useEffect, useRef, useState } from 'react'
import type { ReactNode } from 'react'
import { ActionIcon, Alert, Badge, Button, CopyButton, Group, Modal, Skeleton, Stack, Text, TextInput, Title } from '@mantine/core'
import type { UseInfiniteQueryResult, UseQueryResult } from '@tanstack/react-query'
import { isLumarisError } from '@lumaris/sdk'
import { inWords } from './field-errors.ts'
import { ago, credits, duration, visible } from './format.ts'
import { Icon } from './Icon.tsx'
import type { Look } from './states.ts'
import { done } from './say.ts'
import { exactly, useTimes } from './times.ts'
import { useWork } from './use-work.ts'

/** The head of a screen. On a change of screens the focus goes to its title, so that whoever does not see the change hears it. */
let shownBefore = false
export function Page({ title, children, actions, intro }: { title: ReactNode; children: ReactNode; actions?: ReactNode; intro?: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => {
    document.title = `${heading.current?.textContent ?? ''} · Lumaris`
    if (shownBefore) heading.current?.focus()
    shownBefore = true
  }, [])
  return (
    <Stack gap="lg">
      <Group justify="space-between" align="flex-start" gap="sm">
        <div className="page-title"><Title order={1} size="h2" ref={heading} tabIndex={-1}>{title}</Title>{intro && <Text c="dimmed" mt={4} component="div">{intro}</Text>}</div>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {children}
    </Stack>
  )
}

export function Panel({ title, children, actions, id }: { title?: ReactNode; children: ReactNode; actions?: ReactNode; id?: string }) {
  return (
    <section className="panel" {...(id ? { 'aria-labelledby': id } : {})}>
      {title && <Group justify="space-between" mb="sm" gap="xs"><Title order={2} size="h4" {...(id ? { id } : {})}>{title}</Title>{actions}</Group>}
      {children}
    </section>
  )
}
export const Figure = ({ label, children, hint }: { label: string; children: ReactNode; hint?: ReactNode }) => (
  <div className="panel"><Text size="sm" c="dimmed">{label}</Text><div className="figure">{children}</div>{hint && <Text size="sm" c="dimmed" component="div">{hint}</Text>}</div>
)
export const Credits = ({ of }: { of: string | bigint }) => <>{credits(of)} <small>credits</small></>
export const Figures = ({ children }: { children: ReactNode }) => <div className="figures">{children}</div>
export const Facts = ({ of, wide }: { of: readonly (readonly [string, ReactNode])[]; /** Two columns where there is room. */ wide?: boolean }) => (
  <dl className={wide ? 'facts wide-facts' : 'facts'}>{of.filter(([, value]) => value !== null && value !== undefined && value !== '').map(([name, value]) => <div key={name} className="fact"><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
)

export const Status = ({ look }: { look: Look }) => <Badge title={look.says} color={look.colour} leftSection={<span aria-hidden>{look.sign}</span>}>{look.word}</Badge>

/** A moment: how long ago it is, and exactly when on hover; or the other way round, as this browser's person likes it (see times.ts). */
export function Moment({ at }: { at: number }) {
  const now = useNow(10_000), times = useTimes(), since = ago(at, now)
  return <time dateTime={new Date(at).toISOString()} title={times === 'ago' ? `${exactly(at, 'utc')} · ${exactly(at, 'local')}` : since} className="number">{times === 'ago' ? since : exactly(at, times)}</time>
}
export function useNow(everyMs: number, running = true): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    if (!running) return
    const timer = setInterval(() => setNow(Date.now()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs, running])
  return now
}

export function Copy({ text, what, label }: { text: string; what: string; label?: string }) {
  return (
    <CopyButton value={text} timeout={1500}>
      {({ copied, copy }) => (label
        ? <Button variant="default" size="xs" onClick={copy}>{copied ? 'Copied' : label}</Button>
        : <ActionIcon variant="subtle" color="gray" size="md" onClick={copy} data-copy aria-label={copied ? `${what} copied` : `Copy ${what}`}><Icon name={copied ? 'check' : 'copy'} /></ActionIcon>)}
    </CopyButton>
  )
}
/** Beside an id that is shown short, or that a link stands for. */
export const CopyId = ({ id, what }: { id: string; what: string }) => <Copy text={id} what={`${what} …${id.slice(-8)}`} />
export const Id = ({ id, what }: { id: string; what: string }) => <span className="id"><code>{id}</code><Copy text={id} what={what} /></span>
export const Command = ({ line }: { line: string }) => <div className="command"><code tabIndex={0}>{line}</code><Copy text={line} what="command" /></div>

/** A no, as the server says it: what is wrong, what to change, and the request's number for the operator. */
export function Refusal({ error, retry, title }: { error: unknown; retry?: (() => void) | undefined; title?: string }) {
  const known = isLumarisError(error) ? error : null
  return (
    <Alert color="red" role="alert" title={title ?? (known ? known.message : 'Something broke in this page')}>
      {title && known && <Text size="sm" fw={600}>{known.message}</Text>}
      <Text size="sm">{known?.retryAfterMs !== undefined && known.status === 429 ? `Wait ${duration(known.retryAfterMs)}, then try again.` : known ? known.hint : String(error)}</Text>
      {known?.detail && <ul className="details">{Object.entries(known.detail).filter(([name, value]) => typeof value !== 'object' && name !== 'retryAfterMs').map(([name, value]) => <li key={name}>{name}: {visible(String(value))}</li>)}</ul>}
      {known?.errors && <ul className="details">{known.errors.map((one) => <li key={one.pointer + one.message}><code>{one.pointer}</code>: {visible(inWords(one.message))}</li>)}</ul>}
      {known?.requestId && <Text size="xs" c="dimmed" component="div">Request <span className="id"><code>{known.requestId}</code><Copy text={known.requestId} what="request id" /></span></Text>}
      {retry && <Button size="xs" variant="default" mt="xs" onClick={retry}>Try again</Button>}
    </Alert>
  )
}

/** Waiting, broken or there. The skeleton shows only after a moment: a quick answer must not flicker. */
export function Loaded<T>({ query, children, lines = 3 }: { query: UseQueryResult<T>; children: (data: T) => ReactNode; lines?: number }) {
  if (query.data !== undefined) return <>{query.isError && <Refusal error={query.error} title="What is shown here could not be brought up to date" retry={() => void query.refetch()} />}{children(query.data)}</>
  if (query.isError) return <Refusal error={query.error} retry={() => void query.refetch()} />
  return <Waiting lines={lines} />
}
function Waiting({ lines }: { lines: number }) {
  const [late, setLate] = useState(false)
  useEffect(() => { const timer = setTimeout(() => setLate(true), 200); return () => clearTimeout(timer) }, [])
  return <div aria-busy="true" className="waiting">{late && Array.from({ length: lines }, (_, i) => <Skeleton key={i} height={18} mb={10} width={i === lines - 1 ? '60%' : '100%'} />)}</div>
}
export const Empty = ({ title, children }: { title: string; children?: ReactNode }) => <div className="empty"><Text fw={600}>{title}</Text>{children && <Text c="dimmed" size="sm" component="div" mt={4}>{children}</Text>}</div>

type Asked = { close: () => void; children: ReactNode; yes: string; /** What must be typed first: of what can neither be taken back nor made anew. */ typed?: string | undefined; act: () => Promise<unknown> }
/** Asks before something that cannot be taken back. A failure keeps it open. */
export function Confirm({ opened, title, ...asked }: Asked & { opened: boolean; title: string }) {
  return <Modal opened={opened} onClose={asked.close} title={title}>{opened && <Sure {...asked} />}</Modal>
}
function Sure({ close, children, yes, typed, act }: Asked) {
  const { busy, error, submit } = useWork(), [name, setName] = useState(''), missing = typed !== undefined && name.trim() !== typed.trim()
  return (
    <form onSubmit={(event) => submit(event, async () => { if (missing) return; await act(); done(`${yes}: done`); close() })} noValidate><Stack>
      <Stack gap="sm">{children}</Stack>
      {typed !== undefined && <TextInput label={`Type its name: ${visible(typed)}`} value={name} onChange={(event) => setName(event.currentTarget.value)} autoComplete="off" autoCapitalize="none" spellCheck={false} data-autofocus />}
      {error !== null && <Refusal error={error} />}
      <Group justify="flex-end"><Button variant="default" onClick={close}>Leave it</Button><Button type="submit" color="red" loading={busy} disabled={missing} title={missing ? 'Type its name first' : undefined}>{yes}</Button></Group>
    </Stack></form>
  )
}
/** A form that cannot be sent: why, and its fields and buttons rest. */
export const Rests = ({ why, children }: { why: string | undefined; children: ReactNode }) => (why === undefined ? <>{children}</> : <Stack gap="sm"><Text size="sm" fw={600}>{why}.</Text><fieldset className="rests" disabled>{children}</fieldset></Stack>)
/** The next page of a list, where there is one. */
const Older = ({ of, more = 'Older ones' }: { of: Pick<UseInfiniteQueryResult, 'hasNextPage' | 'isFetchingNextPage' | 'fetchNextPage'>; more?: string }) => (of.hasNextPage ? <div><Button variant="default" loading={of.isFetchingNextPage} onClick={() => void of.fetchNextPage()}>{more}</Button></div> : null)
/** A list that comes in pages: waited for, broken, empty, or as far as it was read, with the next page a press away. */
/** More rows than these are not laid out at one time: a page of thousands answers late. */
const SHOWN_MAX = 200
/** A long list, so many rows at a time, with the way to those before and after them. */
export function InPages<T>({ of: list, end, children }: { of: readonly T[]; /** After the last of them. */ end?: ReactNode; children: (rows: readonly T[]) => ReactNode }) {
  const [asked, ask] = useState(0), last = Math.max(0, Math.ceil(list.length / SHOWN_MAX) - 1), now = Math.min(asked, last), from = now * SHOWN_MAX, rows = list.slice(from, from + SHOWN_MAX)
  return <>
    {children(rows)}
    {last > 0 && <Group gap="sm"><Button variant="default" disabled={now === 0} onClick={() => ask(now - 1)}>Rows before these</Button><Text size="sm" role="status" className="number">{(from + 1).toLocaleString('en')} to {(from + rows.length).toLocaleString('en')} of {list.length.toLocaleString('en')}</Text><Button variant="default" disabled={now === last} onClick={() => ask(now + 1)}>Rows after these</Button></Group>}
    {now === last && end}
  </>
}
export function Listed<T>({ query, none, children, lines = 3, more, only = () => true }: { query: UseInfiniteQueryResult<{ readonly pages: readonly { readonly data: readonly T[] }[] }>; none: ReactNode; children: (list: readonly T[]) => ReactNode; lines?: number; /** What the next page is called. */ more?: string; /** Which of what comes is shown. */ only?: (one: T) => boolean }) {
  const older = <Older of={query} {...(more === undefined ? {} : { more })} />
  return <Loaded query={query} lines={lines}>{({ pages }) => { const list = pages.flatMap((page) => page.data).filter(only); return <Stack gap="sm">{list.length === 0 ? <>{none}{older}</> : <InPages of={list} end={older}>{children}</InPages>}</Stack> }}</Loaded>
}
/** Words in a bar, of which a part is filled; said in text too. */
export const Bar = ({ share, says }: { share: number; says: string }) => <div><div className="bar" aria-hidden><span ref={(element) => { if (element) element.style.width = `${Math.min(100, Math.max(0, share * 100))}%` }} /></div><Text size="sm">{says}</Text></div>

/** A button whose work may fail, and says so under itself. */
export function Act({ act, label, says }: { act: () => Promise<unknown>; label: ReactNode; says?: string | undefined }) {
  const { busy, error, run } = useWork()
  return <><Button variant="default" loading={busy} title={says} onClick={() => void run(act)}>{label}</Button>{error !== null && <Refusal error={error} />}</>
}
