import { useEffect, useMemo, useRef, useState } from 'react'
import type { ReactNode } from 'react'
import { Alert, Button, Group, Modal, NativeSelect, NumberInput, SegmentedControl, Stack, Text, TextInput, Textarea } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, useRouter } from '@tanstack/react-router'
import type { Job, JobSpec, JobSpecInput, NoReason, Quote, QuoteAround, Template } from '@lumaris/protocol'
import { isLumarisError, newJobId } from '@lumaris/sdk'
import type { Client } from '@lumaris/sdk'
import { templateQuery, walletQuery } from '../queries.ts'
import { useClient, useMay, useSession } from '../session/use-session.ts'
import { cores as coresText, credits, creditsText, duration, percent, plural, size, visible } from '../ui/format.ts'
import { errorsBy } from '../ui/field-errors.ts'
import { Copy, Credits, Facts, Id, Loaded, Moment, Page, Panel, Refusal, useNow } from '../ui/parts.tsx'
import { REASON } from '../ui/states.ts'
import { TopUp } from '../wallet/TopUp.tsx'
import { Paused } from '../front/Paused.tsx'
import { Around } from './Around.tsx'
import { cliText, sdkText } from './as-code.ts'
import type { Form } from './as-code.ts'
import { CODE_MAX, EMPTY, Unclear, codeFileOf, draftOf, ownFile, planOf } from './draft.ts'
import type { Draft, Plan } from './draft.ts'
import { Drafts } from './Drafts.tsx'
import { dropDraft, listDrafts, placeOf, saveDraft, storable } from './drafts.ts'
import { Files } from './Files.tsx'
import { askFor, sendJob } from './send.ts'
import type { Sent } from './send.ts'
import { Cards, Service } from './Service.tsx'
import { STEPS, StepsFoot, StepsHead, stepOf } from './Steps.tsx'
import type { Step } from './Steps.tsx'
import { TellMe } from './TellMe.tsx'
import { Variables } from './Variables.tsx'
import { FillIn } from '../templates/FillIn.tsx'
import { TextLink } from '../shell/links.tsx'
import { TEMPLATES } from './templates.ts'

const route = getRouteApi('/inside/submit')
/** The price is asked for so long after the last change. */
const PAUSE_MS = 300
/** A quote that ends sooner than this is asked for anew before it is shown for agreement. */
const FRESH_MS = 30_000

export function Submit() {
  const { from, template, saved, draft } = route.useSearch()
  // The form names its draft in the address when there is something to keep: it is the same form then. Any other draft is another one.
  const made = useRef<string | undefined>(undefined), other = draft !== undefined && draft !== made.current ? draft : undefined
  return <Begin key={[from, template, saved, other].join(' ')} from={from} template={template} saved={saved} draft={other} made={(id) => { made.current = id }} />
}
type Beginning = { readonly from: string | undefined; readonly template: string | undefined; readonly saved: string | undefined; readonly draft: string | undefined; readonly made: (id: string) => void }
function Begin({ from, template, saved, draft, made }: Beginning) {
  const { client, user } = useSession(), why = useMay().why('submitJob')
  const [found] = useState(() => (draft === undefined ? undefined : listDrafts(localStorage, user.id).find(({ id }) => id === draft)))
  const copied = useQuery({ queryKey: ['job', from ?? '', 'draft'], enabled: from !== undefined && !found, staleTime: Number.POSITIVE_INFINITY, queryFn: () => draftFrom(client, from as string) })
  const kept = useQuery({ ...templateQuery(client, saved ?? ''), enabled: saved !== undefined && !found })
  const known = TEMPLATES.find((one) => one.id === template), start = found ? found.draft : from === undefined && saved === undefined ? { ...EMPTY, ...known?.draft, ...(known ? { rest: { template: known.id } } : {}) } : null
  return (
    <Page title="New job" intro={found ? 'As you left it. Nothing is charged before you agree to a price.' : saved !== undefined ? 'Filled in with a template of yours; change what you like.' : from === undefined ? 'What to run, where it may run, and what it may cost. Nothing is charged before you agree to a price.' : 'Filled in with an earlier job; change what you like.'}>
      <Paused what="newJobs" />
      {why !== undefined ? <Alert color="blue" title={why}>Who may, submits it here; you see it under <TextLink to="/jobs" size="sm">jobs</TextLink> from then on.</Alert> : <>
      {draft !== undefined && !found && <Alert color="orange" title="This draft is not in this browser"><Text size="sm">Drafts are kept where they were begun, until they are submitted or deleted.</Text></Alert>}
      {start ? <Form start={start} template={template} draftId={found?.id} made={made} /> : saved !== undefined ? <Loaded query={kept}>{(one) => <FromTemplate template={one} made={made} />}</Loaded> : <Loaded query={copied}>{(copy) => <Form start={copy} template={undefined} draftId={undefined} made={made} />}</Loaded>}</>}
    </Page>
  )
}
/** Its parameters first, where it has some. */
function FromTemplate({ template, made }: { template: Template; made: Beginning['made'] }) {
  const client = useClient(), [spec, setSpec] = useState<JobSpec | null>(Object.keys(template.parameters).length === 0 ? { ...template.spec, template: template.name } : null)
  const draft = useQuery({ queryKey: ['templates', template.name, 'draft', spec], enabled: spec !== null, staleTime: Number.POSITIVE_INFINITY, queryFn: () => draftOfSpec(client, spec as JobSpec) })
  return spec === null ? <FillIn template={template} done={setSpec} /> : <Loaded query={draft}>{(start) => <Form start={start} template={undefined} draftId={undefined} made={made} />}</Loaded>
}
const draftFrom = async (client: Client, id: string): Promise<Draft> => draftOfSpec(client, (await client.job(id)).spec)
async function draftOfSpec(client: Client, spec: JobSpec): Promise<Draft> {
  const file = codeFileOf(spec)
  let code: string | null = null
  if (file && file.size <= CODE_MAX) {
    const pieces: Uint8Array<ArrayBuffer>[] = []
    for await (const piece of client.readBlob(file.blob)) pieces.push(piece as Uint8Array<ArrayBuffer>)
    code = await new Blob(pieces).text()
  }
  return draftOf(spec, code)
}

async function hashOf(blob: Blob): Promise<string> {
  return Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer())), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

type FormProps = { readonly start: Draft; readonly template: string | undefined; /** The draft that it goes on with. */ readonly draftId: string | undefined; readonly made: (id: string) => void }
function Form({ start, template, draftId, made }: FormProps) {
  const { client, user } = useSession(), router = useRouter(), navigate = route.useNavigate(), { step = 'what' } = route.useSearch(), narrow = useMediaQuery('(max-width: 48em)', false, { getInitialValueInEffect: false })
  const [draft, setDraft] = useState(start), [asked, setAsked] = useState(start), [reviewing, setReviewing] = useState(false)
  const [kept, setKept] = useState<{ id: string; whole: boolean } | null>(draftId === undefined ? null : { id: draftId, whole: true }), [elsewhere, setElsewhere] = useState<Draft | null>(null)
  // Typed text lasts a reload; the address says which draft it is. Submitted or untouched forms leave none.
  const done = useRef(false), id = useRef(draftId), latest = useRef(draft), written = useRef(start)
  latest.current = draft
  const keep = (one: Draft, leaving = false): void => {
    if (done.current || one === written.current) return
    written.current = one
    const first = id.current === undefined, name = (id.current ??= crypto.randomUUID().slice(0, 8))
    const whole = saveDraft(localStorage, user.id, name, one, Date.now())
    if (leaving) return
    setKept({ id: name, whole })
    if (first) { made(name); void navigate({ search: (now) => ({ ...now, draft: name }), replace: true, resetScroll: false }) }
  }
  useEffect(() => { if (draft === start) return; const timer = setTimeout(() => { setAsked(draft); keep(draft) }, PAUSE_MS); return () => clearTimeout(timer) }, [draft])
  // What was typed just before the page goes is kept, too.
  useEffect(() => {
    const leave = (): void => keep(latest.current, true)
    window.addEventListener('pagehide', leave)
    return () => { window.removeEventListener('pagehide', leave); leave() }
  }, [])
  useEffect(() => {
    const hear = (event: StorageEvent): void => {
      if (event.key !== placeOf(user.id) || id.current === undefined) return
      const theirs = listDrafts(localStorage, user.id).find((one) => one.id === id.current)
      setElsewhere(theirs && JSON.stringify(theirs.draft) !== JSON.stringify(storable(latest.current)) ? theirs.draft : null)
    }
    window.addEventListener('storage', hear)
    return () => window.removeEventListener('storage', hear)
  }, [user.id])
  const go = (to: Step): void => void navigate({ search: (now) => ({ ...now, step: to === 'what' ? undefined : to }), resetScroll: false })
  const set = <Name extends keyof Draft>(name: Name, value: Draft[Name]): void => setDraft((now) => ({ ...now, [name]: value }))
  const key = useMemo(() => JSON.stringify({ ...asked, files: asked.files.map((file) => [file.name, file.size, file.lastModified]) }), [asked])
  const quote = useQuery({
    queryKey: ['quote', key], placeholderData: keepPreviousData, staleTime: 60_000, gcTime: 0,
    queryFn: async ({ signal }) => {
      const plan = await planOf(asked, hashOf), { assurance, ...bare } = plan.spec
      const of = (spec: JobSpecInput): Promise<Quote> => client.api.createQuote({ body: { spec: spec as JobSpec, ...(plan.cap === null ? {} : { cap: plan.cap.toString() }) } }, { signal })
      // What assurance adds is the difference to the same job without it.
      const [quote, without] = await Promise.all([of(plan.spec), assurance === undefined ? null : of(bare)])
      return { plan, quote, without }
    },
  })
  const stale = draft !== asked || quote.isPlaceholderData
  const errors = errorsBy(quote.error), unclear = quote.error instanceof Unclear ? quote.error : null
  const at = (...places: string[]): string | undefined => {
    if (stale) return undefined
    for (const place of places) {
      if (unclear?.place === place) return unclear.message
      for (const [pointer, message] of errors) if (pointer === place || pointer.startsWith(`${place}/`)) return message
    }
    return undefined
  }
  const whole = ownFile(draft) === null, missing = stale ? [] : quote.data?.plan.missing ?? []
  // Priced it may be; handed in without them it would be another job than the one that was written.
  const notYet = missing.length > 0 ? 'A secret has no value yet' : draft.lost.length > 0 ? 'Files must be chosen again' : undefined
  const wrong = stale || !quote.isError ? [] : unclear ? [unclear.place] : [...errors.keys()], wrongSteps = new Set<Step>([...wrong.map(stepOf), ...(notYet !== undefined ? ['what' as const] : [])])
  const on = (...of: Step[]): boolean => !narrow || of.includes(step)
  const around = useQuery({ queryKey: ['quote', 'around', key], enabled: quote.isSuccess && !stale, placeholderData: keepPreviousData, staleTime: 60_000, gcTime: 0, queryFn: ({ signal }) => client.quoteAround(quote.data?.plan.spec as JobSpecInput, { cap: quote.data?.plan.cap ?? undefined, signal }) })
  return (
    <>
      {narrow && <StepsHead step={step} go={go} wrong={wrongSteps} />}
      {elsewhere && <Alert color="orange" role="status" title="This draft was changed in another tab"><Text size="sm">What you change here takes the place of it.</Text><Button mt="xs" size="xs" variant="default" onClick={() => { setDraft(elsewhere); setElsewhere(null) }}>Show what is there</Button></Alert>}
      <div hidden={!on('what')} className="step-part"><Stack>
      <section aria-label="Templates" className="cards">
        {TEMPLATES.map((one) => <button key={one.id} type="button" className="panel card-button" aria-pressed={template === one.id} onClick={() => void router.navigate({ to: '/submit', search: { template: one.id } })}><Text fw={600}>{one.name}</Text><Text size="sm" c="dimmed">{one.says}</Text></button>)}
      </section>
      <Text size="sm"><TextLink to="/templates" size="sm">All templates, and yours</TextLink></Text>
      <Drafts user={user.id} open={kept?.id} /></Stack></div>
      <div className="two">
        <form id="job" onSubmit={(event) => { event.preventDefault(); if (narrow && step !== 'review') go(STEPS[STEPS.indexOf(step) + 1] ?? 'review'); else if (!stale && quote.isSuccess && notYet === undefined) setReviewing(true) }} noValidate>
          {/* What Enter presses: the button of the last step rests while the price is being asked, and would rest for Enter as well. */}
          {narrow && step !== 'review' && <button type="submit" hidden />}
          <Stack>
            <div hidden={!on('what')}><Panel title="What" id="what"><Stack>
              <TextInput label="Name" description="For you, to find it again" value={draft.name} onChange={(event) => set('name', event.currentTarget.value)} error={at('/spec/name')} maxLength={200} />
              <div><Text size="sm" fw={600} id="runtime-label" mb={4}>Runtime</Text><SegmentedControl aria-labelledby="runtime-label" value={draft.runtime} onChange={(value) => set('runtime', value as Draft['runtime'])} data={[{ value: 'javascript', label: 'JavaScript' }, { value: 'python', label: 'Python' }, { value: 'native', label: 'Program' }, { value: 'container', label: 'Image' }]} fullWidth /></div>
              {draft.runtime === 'container' && <TextInput className="code" label="Image" description="With its digest: registry/name@sha256:…" value={draft.image} onChange={(event) => set('image', event.currentTarget.value)} error={at('/spec/image')} spellCheck={false} />}
              {!whole && <Textarea className="code" label="Code" description={draft.runtime === 'python' ? 'Becomes main.py in the job’s directory' : 'Becomes main.ts in the job’s directory; TypeScript is understood'} autosize minRows={6} maxRows={22} value={draft.code ?? ''} onChange={(event) => set('code', event.currentTarget.value)} spellCheck={false} />}
              <TextInput className="code" label={whole ? 'Command' : 'Arguments'} description={draft.runtime === 'native' || draft.runtime === 'container' ? 'Program and arguments; quotes keep words together. No shell sees it: name one if you want one' : whole ? 'The program, one of the files below, and its arguments; quotes keep words together' : 'Words for the program; quotes keep words together'} value={draft.args} onChange={(event) => set('args', event.currentTarget.value)} error={at('args', '/spec/command')} spellCheck={false} />
              {draft.runtime !== 'native' && draft.runtime !== 'container' && draft.code === null && <div><Button size="xs" variant="default" onClick={() => { set('code', ''); set('args', '') }}>Write code here instead</Button></div>}
              {draft.keptTasks ? <Text size="sm">{plural(draft.keptTasks.length, 'part')}, as in the job it was copied from. <Button size="compact-xs" variant="default" onClick={() => set('keptTasks', null)}>Write them anew</Button></Text>
                : <Textarea className="code" label="Parts" description="One line for each part that runs by itself; its words come after the arguments. Empty: one part" autosize minRows={2} maxRows={10} value={draft.parts} onChange={(event) => set('parts', event.currentTarget.value)} error={at('/spec/tasks')} spellCheck={false} />}
              <Files draft={draft} change={(more) => setDraft((now) => ({ ...now, ...more }))} error={at('/spec/inputs')} />
              <Variables of={draft.env} set={(env) => set('env', env)} error={at('/spec/env', '/spec/secrets', '/secrets')} />
            </Stack></Panel></div>
            <div hidden={!on('where')}><Panel title="Where" id="where"><Stack>
              <Group grow preventGrowOverflow={false} align="flex-start">
                <NumberInput label="Cores" value={draft.cores} onChange={(value) => set('cores', value)} step={0.5} error={at('/spec/resources/cpuMillis') && 'From 0.05 to 1,024 cores'} miw={110} />
                <NumberInput label="Memory, MiB" value={draft.memoryMib} onChange={(value) => set('memoryMib', value)} step={256} error={at('/spec/resources/memoryBytes') && 'From 16 MiB to 16 TiB'} miw={110} />
                <NumberInput label="Disk, MiB" value={draft.diskMib} onChange={(value) => set('diskMib', value)} step={256} error={at('/spec/resources/diskBytes') && 'From 1 MiB to 64 TiB'} miw={110} />
                <NumberInput label="GPUs" value={draft.gpus} onChange={(value) => set('gpus', value)} error={at('/spec/resources/gpus')} miw={110} />
              </Group>
              {String(draft.gpus) !== '0' && String(draft.gpus) !== '' && <Cards draft={draft} set={set} at={at} />}
              <NativeSelect label="Isolation, at least" value={draft.minLevel} onChange={(event) => set('minLevel', event.currentTarget.value)} error={at('/spec/placement/minLevel')} data={[{ value: 'language', label: 'A language runtime (Deno)' }, { value: 'namespace', label: 'Namespaces (bubblewrap)' }, { value: 'kernel', label: 'Its own kernel interface (gVisor)' }, { value: 'vm', label: 'A virtual machine' }]} />
              <Group grow preventGrowOverflow={false} align="flex-start">
                <TextInput label="Regions" description="Empty: any" value={draft.regions} onChange={(event) => set('regions', event.currentTarget.value)} error={at('/spec/placement/regions')} miw={150} />
                <NativeSelect label="Nodes that have shown" description="How much of their work they end" value={draft.minTrust} onChange={(event) => set('minTrust', event.currentTarget.value)} data={[{ value: '', label: 'Anything' }, { value: 'known', label: 'At least 80 %' }, { value: 'trusted', label: 'At least 95 %, results that hold' }]} miw={150} />
              </Group>
            </Stack></Panel></div>
            <div hidden={!on('limits')}><Stack><Service draft={draft} set={set} at={at} />
            <Panel title="Limits" id="limits">
              <Group grow preventGrowOverflow={false} align="flex-start">
                <NumberInput label="Minutes for each part" description="The cap comes from it" value={draft.minutes} onChange={(value) => set('minutes', value)} error={at('/spec/limits/runMs')} miw={150} />
                <NumberInput label="Tries after a failure" description="That is not yours" value={draft.retries} onChange={(value) => set('retries', value)} error={at('/spec/limits/retries')} miw={150} />
                <NumberInput label="Copies of each part" description="Results must agree" value={draft.copies} onChange={(value) => set('copies', value)} error={at('/spec/copies')} miw={150} />
                <TextInput label="Most for one try" description="Credits; empty: any" value={draft.maxAttempt} onChange={(event) => set('maxAttempt', event.currentTarget.value)} error={at('/spec/placement/maxAttemptCost')} miw={150} />
              </Group>
              <NativeSelect label="Wrong results, at most" description="The market asks more owners, and more than once, until this holds of the accepted ones" mt="sm" maw={430} value={draft.assurance} onChange={(event) => set('assurance', event.currentTarget.value)} error={at('/spec/assurance')} data={[{ value: '', label: 'No bound: each result is taken as it is' }, { value: '1e-2', label: '1 of 100' }, { value: '1e-4', label: '1 of 10,000' }, { value: '1e-6', label: '1 of 1,000,000' }]} />
            </Panel></Stack></div>
            {narrow && step !== 'review' && <StepsFoot step={step} go={go} />}
          </Stack>
        </form>
        <div hidden={!on('review')} className="beside"><Stack>
          <Panel title="Price" id="price"><div aria-live="polite" aria-busy={stale}>
            {quote.isError && !stale ? (unclear ? <Text>{unclear.message}</Text> : <Refusal error={quote.error} title="No price for this" retry={() => void quote.refetch()} />)
              : quote.data ? <Price quote={quote.data.quote} without={quote.data.without} spec={quote.data.plan.spec} stale={stale} wait={around.isPlaceholderData ? undefined : around.data?.wait} /> : <Text c="dimmed">Asking the market…</Text>}
          </div>{wrong.length > 0 && narrow && <ul className="plain-list" role="list">{[...new Set(wrong.map(stepOf))].map((one) => <li key={one}><Button mt="xs" size="xs" variant="default" onClick={() => go(one)}>Mend it in {one === 'what' ? 'What' : one === 'where' ? 'Where' : 'Limits'}</Button></li>)}</ul>}
          {missing.length > 0 && <Text size="sm" mt="xs" c="var(--mantine-color-error)">{missing.map(visible).join(', ')} {missing.length === 1 ? 'has' : 'have'} no value yet: type it under Variables. {narrow && <Button size="compact-xs" variant="default" onClick={() => go('what')}>Go there</Button>}</Text>}
          {draft.lost.length > 0 && <Text size="sm" mt="xs" c="var(--mantine-color-error)">{draft.lost.map(visible).join(', ')} {draft.lost.length === 1 ? 'was' : 'were'} lost with the reload: choose {draft.lost.length === 1 ? 'it' : 'them'} again under Files. {narrow && <Button size="compact-xs" variant="default" onClick={() => go('what')}>Go there</Button>}</Text>}
          <Button id="review" type="submit" form="job" size="md" mt="md" fullWidth disabled={stale || !quote.isSuccess || notYet !== undefined} title={!stale && quote.isError ? 'There is no price for it yet' : notYet}>Review and submit</Button>
          {around.data && !quote.isError && <div className={stale || around.isPlaceholderData ? 'around waiting-around' : 'around'}><Around around={around.data} apply={(change) => setDraft((now) => ({ ...now, ...change }))} /></div>}
          {kept && <Text size="xs" c="dimmed" mt="sm" role="status">{kept.whole ? 'Kept as a draft in this browser.' : 'Not kept: it is too large, or this browser keeps nothing.'}</Text>}</Panel>
          {quote.data && !quote.isError && <As plan={quote.data.plan} code={ownFile(draft) === null || draft.code === null ? null : draft.code} />}
          {narrow && step === 'review' && <StepsFoot step={step} go={go} />}
        </Stack></div>
      </div>
      {quote.data && <Review opened={reviewing} close={() => setReviewing(false)} plan={quote.data.plan} quote={quote.data.quote} renew={async () => { await quote.refetch() }} submitted={() => { done.current = true; if (id.current !== undefined) dropDraft(localStorage, user.id, id.current) }} />}
    </>
  )
}

function Price({ quote, without, spec, stale, wait }: { quote: Quote; without: Quote | null; spec: JobSpecInput; stale: boolean; wait: QuoteAround['wait'] }) {
  const now = useNow(5_000)
  return (
    <Stack gap="sm" opacity={stale ? 0.9 : 1}>
      <div><Text size="sm" c="dimmed">At most, whatever happens</Text><div className="figure"><Credits of={quote.cap} /></div></div>
      <Facts of={[
        ['Likely', quote.nodes > 0 || quote.p50 !== '0' ? `${credits(quote.p50)} to ${credits(quote.p90)} credits (estimate)` : null], ['One try, at most', creditsText(quote.attemptCap)],
        ['Market’s part', quote.feeBasisPoints === undefined ? null : `${percent(quote.feeBasisPoints / 10_000)}, in the price`],
        ['Nodes that can', String(quote.nodes)], ['With room now', String(quote.nodesFree)], ['Could start', quote.startsInMs === undefined ? null : quote.startsInMs === 0 ? 'at once' : `in about ${duration(quote.startsInMs)}`],
        ['Wait for a node, lately', wait && `${duration(wait.p50Ms)}; nine of ten below ${duration(wait.p90Ms)} (of ${wait.starts} like it, last day)`],
        ...planFacts(quote), ['Assurance adds', without && surcharge(quote, without)],
        ['Binds for', quote.validUntil > now ? duration(Math.round((quote.validUntil - now) / 5_000) * 5_000) : 'no longer: it is asked for anew before you agree'],
      ]} />
      {quote.nodes === 0 && <Alert color="orange" title="No node can run this as it is"><Reasons refused={quote.refused} /><Text size="sm" mt={4}>Submitted like this it waits until one joins, up to a day, and costs nothing meanwhile.</Text><TellMe key={JSON.stringify(spec)} spec={spec} /></Alert>}
      {quote.nodes > 0 && quote.nodesFree === 0 && <Alert color="orange" title="Every node that can is busy"><Reasons refused={quote.refused} /><TellMe key={JSON.stringify(spec)} spec={spec} /></Alert>}
    </Stack>
  )
}
/** What is foreseen for a job with a plan. */
function planFacts({ plan }: Quote): [string, ReactNode][] {
  if (!plan) return []
  return [['Done in time', <><strong>{percent(plan.chance)}</strong> (estimate, no promise)</>], ['Probably costs', `${creditsText(plan.likely)}; as firm work ${credits(plan.firm)}`], ['Firm at the latest', <Moment at={plan.noReturnAt} />], ['Cheap room, lately', percent(plan.room)]]
}
function surcharge(quote: Quote, without: Quote): string | null {
  const [more, less] = [BigInt(quote.p50), BigInt(without.p50)]
  return less === 0n ? null : `${creditsText(more > less ? more - less : 0n)} to the likely cost (${percent(Number(more - less) / Number(less))} more), ${credits(BigInt(quote.cap) - BigInt(without.cap))} to the cap`
}
/** What keeps most of them out stands first, and is said. */
function Reasons({ refused }: { refused: Quote['refused'] }) {
  const all = (Object.entries(refused) as [NoReason, number][]).toSorted((a, b) => b[1] - a[1]), [first] = all, nodes = all.reduce((sum, [, count]) => sum + count, 0)
  return <>
    {first && all.length > 1 && <Text size="sm">Keeps out the most: <strong>{REASON[first[0]]}</strong>, {first[1].toLocaleString('en')} of {plural(nodes, 'node')}.</Text>}
    <ul className="details">{all.map(([reason, count]) => <li key={reason}>{plural(count, 'node')}: {REASON[reason]}</li>)}</ul>
  </>
}

function As({ plan, code }: { plan: Plan; /** The program that is written in the form. */ code: string | null }) {
  const [open, setOpen] = useState(false), [form, setForm] = useState<Form>('cli')
  const own = plan.uploads[0], shown = new Map(code !== null && own ? [[own.path, code]] : [])
  const yaml = useQuery({ queryKey: ['as-yaml'], queryFn: async () => (await import('./as-yaml.ts')).yamlText, enabled: open && form === 'yaml', staleTime: Infinity })
  const text = form === 'yaml' ? yaml.data?.(plan) : form === 'json' ? JSON.stringify(plan.spec, null, 2) : form === 'cli' ? cliText(plan, shown) : sdkText(plan, location.origin)
  const brings = plan.uploads.filter(({ path }) => form !== 'cli' || !shown.has(path))
  return (
    <div>
      <Button variant="default" size="xs" aria-expanded={open} onClick={() => setOpen(!open)}>{open ? 'Hide it' : 'As YAML / CLI / SDK / JSON'}</Button>
      {open && <Stack gap="xs" mt="xs">
        <Group gap="xs"><SegmentedControl size="xs" aria-label="As" value={form} onChange={(value) => setForm(value as Form)} data={[{ value: 'yaml', label: 'YAML' }, { value: 'cli', label: 'Shell' }, { value: 'sdk', label: 'SDK' }, { value: 'json', label: 'JSON' }]} />{text !== undefined && <Copy text={text} what="the order" label="Copy" />}</Group>
        {text === undefined ? <Loaded query={yaml} lines={6}>{() => null}</Loaded> : <pre className="preview" tabIndex={0} aria-label="The order as text">{text}</pre>}
        <Text size="xs" c="dimmed">{form === 'json' ? 'Under “spec” in the body of POST /v1/jobs, when its files are on the market.' : 'Signed in by lumaris login, or with a key of yours in LUMARIS_TOKEN.'}{form !== 'json' && plan.spec.secrets && ` Secrets come from the variables of its shell: ${plan.spec.secrets.join(', ')}.`}{form !== 'json' && brings.length > 0 && ` It expects beside it: ${brings.map(({ path }) => visible(path)).join(', ')}.`}</Text>
      </Stack>}
    </div>
  )
}

function Review({ opened, close, plan, quote, renew, submitted }: { opened: boolean; close: () => void; plan: Plan; quote: Quote; renew: () => Promise<void>; submitted: () => void }) {
  const client = useClient(), router = useRouter(), queries = useQueryClient()
  const wallet = useQuery({ ...walletQuery(client), enabled: opened })
  const [busy, setBusy] = useState<string | null>(null), [sent, setSent] = useState<Sent | { kind: 'failed'; error: unknown } | null>(null)
  // One id for one agreement: a second press, or a try after a lost answer, is the same job. Another request is another job.
  const id = useRef({ of: '', id: '' })
  const request = JSON.stringify([plan.spec, plan.secrets])
  if (id.current.of !== request) id.current = { of: request, id: newJobId() }
  const sending = useRef(false)
  useEffect(() => { if (opened) { setSent(null); if (quote.validUntil - Date.now() < FRESH_MS) void renew() } }, [opened])

  async function once(what: () => Promise<void>): Promise<void> {
    if (sending.current) return
    sending.current = true
    try { await what() } catch (error) { setSent({ kind: 'failed', error }) } finally { sending.current = false; setBusy(null) }
  }
  const told = async (answer: Sent): Promise<void> => {
    setSent(answer)
    if (answer.kind === 'refused' && isLumarisError(answer.error, 'quote_expired')) await renew()
    if (answer.kind === 'accepted') submitted()
    if (answer.kind === 'accepted' && !answer.afterDoubt) await go(answer.job)
  }
  const go = async (job: Job): Promise<void> => {
    for (const key of ['jobs', 'wallet', 'entries']) void queries.invalidateQueries({ queryKey: [key] })
    queries.setQueryData(['job', job.id], job)
    await router.navigate({ to: '/jobs/$job', params: { job: job.id } })
  }
  const submit = (): Promise<void> => once(async () => {
    setSent(null)
    for (const [i, { blob }] of plan.uploads.entries()) await client.upload(blob, { onProgress: (done, total) => setBusy(`Uploading file ${i + 1} of ${plan.uploads.length}: ${size(done)} of ${size(total)}`) })
    setBusy('Handing it in')
    await told(await sendJob(client, { id: id.current.id, spec: plan.spec, quote: quote.id, secrets: plan.spec.secrets ? plan.secrets : undefined }))
  })
  const ask = (): Promise<void> => once(async () => { setBusy('Asking'); await told(await askFor(client, id.current.id, null)) })

  const missing = wallet.data ? BigInt(quote.cap) - BigInt(wallet.data.available) : 0n
  const tasks = plan.spec.tasks?.length ?? 1, { resources } = plan.spec
  return (
    <Modal opened={opened} onClose={() => { if (busy === null) close() }} title="Review" size="lg">
      <Stack>
        <Facts of={[
          ['What', <><code>{visible(plan.spec.command.join(' '))}</code>{tasks > 1 ? `, ${plural(tasks, 'part')}` : ''}</>], ['Where', `${coresText(resources?.cpuMillis ?? 0)}, ${size(resources?.memoryBytes ?? 0)} memory, ${size(resources?.diskBytes ?? 0)} disk for each part`],
          ['Secrets', plan.spec.secrets && <>{plan.spec.secrets.join(', ')}: given to the job, and shown to nobody again</>],
          ['Held from your wallet', <strong>{creditsText(quote.cap)}</strong>], ['Likely bill', quote.plan ? null : `${credits(quote.p50)} to ${credits(quote.p90)} credits (estimate)`], ...planFacts(quote), ['Available', wallet.data ? creditsText(wallet.data.available) : null],
        ]} />
        <Text size="sm">Never more than is held. What is not used comes back at the end; what a node or the market spoils is not billed. You can cancel at any time: what ran until then is billed.</Text>
        {missing > 0n && <Alert color="orange" title={`${credits(missing)} credits are missing`}><TopUp least={missing} /></Alert>}
        {sent?.kind === 'accepted' && sent.afterDoubt && <Alert color="green" role="alert" title="The job exists"><Text size="sm">The answer was lost on the way, but the market has the job <Id id={sent.job.id} what="job id" />. It was submitted once.</Text><Button mt="xs" size="xs" onClick={() => void go(sent.job)}>Open it</Button></Alert>}
        {sent?.kind === 'absent' && <Alert color="orange" role="alert" title="The job does not exist"><Text size="sm">The connection broke before the market had it. Nothing is held and nothing runs. You can send it again.</Text></Alert>}
        {sent?.kind === 'unknown' && <Alert color="red" role="alert" title="It is not known whether the job exists"><Text size="sm">The market does not answer. Its id would be <Id id={id.current.id} what="job id" />; sending it again cannot make a second one.</Text><Button mt="xs" size="xs" variant="default" loading={busy !== null} onClick={() => void ask()}>Ask again</Button></Alert>}
        {sent?.kind === 'refused' && (isLumarisError(sent.error, 'quote_expired') ? <Alert color="orange" role="alert" title="The quote had expired">A new one was asked for: look at it above, then submit.</Alert> : <Refusal error={sent.error} />)}
        {sent?.kind === 'failed' && <Refusal error={sent.error} title="It was not submitted" />}
        <Group justify="flex-end">
          <Text size="sm" c="dimmed" role="status" flex={1}>{busy ?? (missing > 0n ? 'Add credits first.' : '')}</Text>
          <Button variant="default" onClick={close} disabled={busy !== null}>Back</Button>
          {!(sent?.kind === 'accepted' && sent.afterDoubt) && <Button onClick={() => void submit()} loading={busy !== null} disabled={missing > 0n || wallet.data === undefined}>Hold {creditsText(quote.cap)} and submit</Button>}
        </Group>
      </Stack>
    </Modal>
  )
}
