import { Suspense, useEffect, useState } from 'react'
import type { ReactNode } from 'react'
import { Alert, Button, Group, NumberInput, Stack, Tabs, Text, TextInput, Textarea } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { getRouteApi, useLocation } from '@tanstack/react-router'
import { formatCredits, parseCredits } from '@lumaris/protocol'
import type { ActionName, Node, PriceName } from '@lumaris/protocol'
import { marketQuery, nodeQuery, nodeWhyQuery } from '../queries.ts'
import { hasRole, useClient, useMay, useSession } from '../session/use-session.ts'
import { errorsBy } from '../ui/field-errors.ts'
import { cores, creditsText, plural, size, visible } from '../ui/format.ts'
import { Bar, Command, Confirm, Facts, Id, Loaded, Moment, Page, Panel, Refusal, Status } from '../ui/parts.tsx'
import { NODE } from '../ui/states.ts'
import { useTabInView } from '../ui/use-tab-in-view.ts'
import { useWork } from '../ui/use-work.ts'
import { part } from '../ui/part.ts'
import type { Span } from './read-machine.ts'
import { Estimate } from './Estimate.tsx'
import { tabOf } from './panels.ts'
import { NODE_TABS, TABS } from './tabs.ts'
import type { NodeTab } from './tabs.ts'
import { isOlder } from './versions.ts'
import { TextLink } from '../shell/links.tsx'

/** Of others' nodes, for admins. */
const Evidence = part(async () => (await import('../admin/Evidence.tsx')).Evidence)
const WithReason = part(async () => (await import('../admin/WithReason.tsx')).WithReason)
const ADMIN: Readonly<Partial<Record<ActionName, string>>> = { 'node.pause': 'An admin paused it', 'node.drain': 'An admin is emptying it', 'node.resume': 'An admin resumed it', 'node.price': 'An admin set its prices' }
/** It brings what draws the plots. */
const Machine = part(async () => (await import('./Machine.tsx')).Machine)

const Work = part(async () => (await import('./Activity.tsx')).RunsNow)
const Happened = part(async () => (await import('./Activity.tsx')).Happened)
const Removal = part(async () => (await import('./Activity.tsx')).Removal)
const Earned = part(async () => (await import('./Earned.tsx')).Earned)
/** It brings the grid of a week. */
const HoursAndLimits = part(async () => (await import('./HoursAndLimits.tsx')).HoursAndLimits)

const Reputation = part(async () => (await import('./Reputation.tsx')).Reputation)
const Policy = part(async () => (await import('./Policy.tsx')).Policy)

/** In its place until it is there. */
const Part = ({ title, children }: { title: string; children: ReactNode }) => <Suspense fallback={<Panel title={title}><div className="waiting" aria-busy="true" /></Panel>}>{children}</Suspense>
/** Whoever comes by a link to a panel stands at it, as soon as it is there; also the second time. Events look after their own. */
function useLanding(hash: string, state: unknown): void {
  useEffect(() => {
    if (tabOf(hash) === undefined || hash.startsWith('event-')) return
    const land = (): boolean => {
      const heading = document.getElementById(hash)
      if (!heading) return false
      heading.tabIndex = -1
      heading.focus()
      return true
    }
    if (land()) return
    const watch = new MutationObserver(() => { if (land()) watch.disconnect() })
    watch.observe(document.body, { childList: true, subtree: true })
    return () => watch.disconnect()
  }, [hash, state])
}
/** Forms stay as they were typed while one looks at another tab; what draws itself anew does not run where nobody sees it. */
const STAYS: readonly NodeTab[] = ['price', 'hours', 'takes']

const route = getRouteApi('/inside/nodes/$node')
export function NodeScreen() {
  const { node: id } = route.useParams()
  const client = useClient()
  const node = useQuery(nodeQuery(client, id))
  if (!node.data) return <Page title="Node"><Loaded query={node}>{() => null}</Loaded></Page>
  return <Shown key={id} node={node.data} />
}

function Shown({ node }: { node: Node }) {
  const { span = 'hour', tab = 'live' } = route.useSearch(), navigate = route.useNavigate(), { hash, state } = useLocation()
  // The panel that is named wins over the tab: `#prices` may be typed behind any address. Another choice forgets it.
  const shown = tabOf(hash) ?? tab, [seen, setSeen] = useState<readonly NodeTab[]>([])
  if (!seen.includes(shown)) setSeen([...seen, shown])
  useLanding(hash, state)
  const names = useTabInView(shown)
  const choose = (to: { tab?: NodeTab | undefined; span?: Exclude<Span, 'hour'> | undefined }): void => void navigate({ search: (before) => ({ ...before, ...to }), replace: true, resetScroll: false })
  const of = (key: NodeTab, children: ReactNode) => <Tabs.Panel value={key}>{(key === shown || (STAYS.includes(key) && seen.includes(key))) && <Stack>{children}</Stack>}</Tabs.Panel>
  const client = useClient(), queries = useQueryClient()
  const [pausing, setPausing] = useState(false), [draining, setDraining] = useState(false), [resuming, setResuming] = useState(false), { error, run } = useWork(), { user } = useSession(), { no } = useMay(), isTheirs = user.id !== node.owner
  const fresh = (now: Node): void => { queries.setQueryData(['node', node.id], now); void queries.invalidateQueries({ queryKey: ['nodes'] }) }
  const resume = (): Promise<void> => run(async () => fresh(await client.api.resumeNode({ params: { node: node.id } })))
  const market = useQuery(marketQuery).data?.agents
  const isPaused = node.state === 'paused' || node.state === 'draining', canPause = node.state === 'online' || node.state === 'suspect' || node.state === 'lost' || node.state === 'pending'
  return (
    <Page title={visible(node.name)} intro={<Id id={node.id} what="node id" />} actions={isPaused ? <Button {...no('resumeNode')} onClick={() => (isTheirs ? setResuming(true) : void resume())}>Resume</Button> : <>{!isTheirs && <Button variant="default" title="What can be moved goes to other nodes" {...no('drainNode', canPause ? undefined : `It is ${NODE[node.state].word.toLowerCase()}`)} onClick={() => setDraining(true)}>Drain…</Button>}<Button variant="default" {...no('pauseNode', canPause ? undefined : `It is ${NODE[node.state].word.toLowerCase()}`)} onClick={() => setPausing(true)}>Pause…</Button></>}>
      {error !== null && <Refusal error={error} />}
      {node.updateTo !== undefined && <Alert color="orange" title="↑ Update needed">Its agent is version {visible(node.agentVersion)}, and this market asks for {visible(node.updateTo)} at least: it gets no new work. Update it on that machine (npm install -g lumaris) and start it again; its node, key and work are kept.</Alert>}
      {node.admin && <Alert color="orange" title={ADMIN[node.admin.action] ?? 'An admin changed it'}><Moment at={node.admin.at} />: {visible(node.admin.reason)}</Alert>}
      <Panel><Stack gap="sm">
        <Group gap="sm"><Status look={NODE[node.state]} /><Text size="sm" role="status">{NODE[node.state].says}</Text></Group>
        {node.cordon && <Text size="sm">An operator holds it back since <Moment at={node.cordon.at} />: {visible(node.cordon.reason)}{node.cordon.until !== undefined && <>. What still runs is ended <Moment at={node.cordon.until} /></>}.</Text>}
        <Facts wide of={[['Last heartbeat', node.lastSeenAt === undefined ? 'never' : <Moment at={node.lastSeenAt} />], ['Connected', node.connected ? 'yes' : 'no'], ['Runs now', plural(node.running, 'part')], ['Region', visible(node.region)], ['Agent', `version ${visible(node.agentVersion)}${market && isOlder(node.agentVersion, market.version) ? `, older than this market’s ${market.version}` : ''}, start number ${node.session}`], ['Joined', <Moment at={node.enrolledAt} />], ['Owner', isTheirs ? <TextLink to="/users/$user" params={{ user: node.owner }} size="sm">its seller</TextLink> : null], ['Labels', Object.entries(node.labels).map(([name, value]) => visible(`${name}=${value}`)).join(', ')]]} />
      </Stack></Panel>
      <Tabs value={shown} onChange={(value) => choose({ tab: value === 'live' ? undefined : (value as NodeTab) })}>
        <Tabs.List ref={names} aria-label="About this node" className="tabs">{NODE_TABS.map((key) => <Tabs.Tab key={key} value={key}>{TABS[key]}</Tabs.Tab>)}</Tabs.List>
        <div className="tab-body">
          {of('live', <>
            <Part title="The machine"><Machine key={node.id} node={node} span={span} choose={(to) => choose({ span: to === 'hour' ? undefined : to })} /></Part>
            <Part title="Runs now"><Work node={node} /></Part>
            <Panel title="Sold of what it offers" id="capacity"><Stack gap="sm">
              <Use what="Cores" used={node.reserved.cpuMillis} of={node.capacity.cpuMillis} text={cores} /><Use what="Memory" used={node.reserved.memoryBytes} of={node.capacity.memoryBytes} text={size} /><Use what="Disk" used={node.reserved.diskBytes} of={node.capacity.diskBytes} text={size} />
              {node.capacity.gpus > 0 && <Use what={`GPUs${node.capacity.gpuModel ? ` (${visible([node.capacity.gpuModel, node.capacity.gpuProfile].filter(Boolean).join(' '))})` : ''}`} used={node.reserved.gpus} of={node.capacity.gpus} text={String} />}
              <Text size="sm" c="dimmed">Reserved for work that runs here now.</Text>
            </Stack></Panel>
          </>)}
          {of('price', <>
            {!isTheirs && <Part title="What it earned"><Earned node={node} /></Part>}
            <div className="two"><Prices key={JSON.stringify(node.prices)} node={node} changed={fresh} /><Estimate key={node.id} node={node} /></div>
          </>)}
          {of('hours', <>
            <Part title="Hours and limits"><HoursAndLimits key={node.id} node={node} /></Part>
            {!isTheirs && node.state !== 'retired' && <Part title="Remove it"><Removal node={node} /></Part>}
          </>)}
          {of('takes', <Part title="What it takes"><Policy key={node.id} node={node} changed={fresh} /></Part>)}
          {of('record', <>
            <Part title="Reputation"><Reputation node={node} /></Part>
            <WhyNot node={node} />
            <Walls node={node} />
          </>)}
          {of('events', <>
            <Part title="What happened"><Happened key={node.id} node={node} /></Part>
            {hasRole(user, 'admin') && <Part title="What it has shown"><Evidence key={node.id} node={node} /></Part>}
          </>)}
        </div>
      </Tabs>
      <Command line={`npx lumaris node show ${node.id}`} />
      {isTheirs && <Suspense>
        <WithReason opened={pausing} close={() => setPausing(false)} title={`Pause ${visible(node.name)}?`} yes="Pause" act={async (reason) => fresh(await client.api.pauseNode({ params: { node: node.id }, body: { reason } }))}>It gets no new work; what runs there goes on to the end and is paid. Its owner sees the reason, and may resume it.</WithReason>
        <WithReason opened={resuming} close={() => setResuming(false)} title={`Resume ${visible(node.name)}?`} yes="Resume" act={async (reason) => fresh(await client.api.resumeNode({ params: { node: node.id }, body: { reason } }))}>It takes work again. Its owner sees the reason.</WithReason>
      </Suspense>}
      <Confirm opened={draining} close={() => setDraining(false)} title={`Drain ${visible(node.name)}?`} yes="Drain" act={async () => fresh(await client.api.drainNode({ params: { node: node.id } }))}><Text size="sm">It gets no new work. {node.running > 0 ? `Of the ${plural(node.running, 'part')} there, those with checkpoints move to other nodes with what they have done; the others run to their end and are paid.` : 'Nothing runs there just now.'} You can resume it at any time.</Text></Confirm>
      <Confirm opened={pausing && !isTheirs} close={() => setPausing(false)} title={`Pause ${visible(node.name)}?`} yes="Pause" act={async () => fresh(await client.api.pauseNode({ params: { node: node.id } }))}><Text size="sm">It gets no new work from now on, and earns nothing new. {node.running > 0 ? `The ${plural(node.running, 'part')} that run${node.running === 1 ? 's' : ''} there go${node.running === 1 ? 'es' : ''} on to the end and are paid.` : 'Nothing runs there just now.'} You can resume it at any time.</Text></Confirm>
    </Page>
  )
}
const Use = ({ what, used, of, text }: { what: string; used: number; of: number; text: (value: number) => string }) => <Bar share={of === 0 ? 0 : used / of} says={`${what}: ${text(used)} of ${text(of)}`} />

const FIELDS: readonly (readonly [PriceName, string])[] = [['cpuHour', 'Core, 1 hour'], ['memoryGibHour', 'GiB of memory, 1 hour'], ['gpuHour', 'GPU, 1 hour'], ['diskGibHour', 'GiB of disk, 1 hour'], ['outGib', 'GiB sent out'], ['start', 'Each start']]
function Prices({ node, changed }: { node: Node; changed: (node: Node) => void }) {
  const client = useClient()
  const market = useQuery(marketQuery)
  const [sheet, setSheet] = useState(() => Object.fromEntries(FIELDS.map(([field]) => [field, formatCredits(BigInt(node.prices[field]))])) as Record<PriceName, string>)
  const [spot, setSpot] = useState<number | string>(node.prices.spotPercent ?? '')
  const { busy, error, submit } = useWork(), isTheirs = useSession().user.id !== node.owner, { no } = useMay(), [reason, setReason] = useState('')
  const median = market.data?.prices.find((line) => line.region === node.region && node.drivers.some((driver) => driver.level === line.level))
  const wrong = FIELDS.filter(([field]) => parseCredits(sheet[field].trim()) === null).map(([field]) => field)
  const isSame = FIELDS.every(([field]) => parseCredits(sheet[field].trim()) === BigInt(node.prices[field])) && spot === (node.prices.spotPercent ?? '')
  const price = async (): Promise<void> => {
    if (wrong.length > 0) return
    changed(await client.api.priceNode({ params: { node: node.id }, body: { ...Object.fromEntries(FIELDS.map(([field]) => [field, String(parseCredits(sheet[field].trim()))])), ...(typeof spot === 'number' ? { spotPercent: spot } : {}), ...(isTheirs ? { reason: reason.trim() } : {}) } }))
  }
  const fields = errorsBy(error)
  return (
    <Panel title="Prices, in credits" id="prices">
      <form onSubmit={(event) => submit(event, price)} noValidate><Stack gap="sm">
        <Group grow preventGrowOverflow={false} align="flex-start">{FIELDS.filter(([field]) => field !== 'gpuHour' || node.capacity.gpus > 0).map(([field, label]) => <TextInput key={field} label={label} inputMode="decimal" miw={130} value={sheet[field]} onChange={(event) => { const { value } = event.currentTarget; setSheet((now) => ({ ...now, [field]: value })) }} error={wrong.includes(field) ? 'An amount such as 0.2' : fields.get(`/${field}`)} />)}</Group>
        <NumberInput label="Interruptible work, from so many % of these prices" description="Sold what would stand empty, to the highest bids; firm work may take its place, and pays you for what had run. Empty: none is taken." min={1} max={100} allowDecimal={false} clampBehavior="strict" maw={430} value={spot} onChange={setSpot} error={fields.get('/spotPercent')} />
        {median && <Text size="sm" c="dimmed">Median of {plural(median.nodes, 'node')} like it: {creditsText(median.cpuHour.median)} for a core, {creditsText(median.memoryGibHour.median)} for a GiB of memory.</Text>}
        {isTheirs && !isSame && <Textarea label="Reason" description="It stands in the log of admin actions, and its owner sees it" autosize minRows={2} value={reason} onChange={(event) => setReason(event.currentTarget.value)} error={fields.get('/reason')} />}
        {error !== null && fields.size === 0 && <Refusal error={error} />}
        <Group gap="sm"><Button type="submit" variant="default" loading={busy} {...no('priceNode', isSame ? 'Nothing was changed' : wrong.length > 0 ? 'Something typed is no price' : undefined)}>Set these prices</Button><Text size="sm" c="dimmed">From the next placement on; what runs keeps its price.</Text></Group>
      </Stack></form>
    </Panel>
  )
}

const PROOF = { hard: 'holds', soft: 'softly', none: 'not limited' } as const
const Walls = ({ node }: { node: Node }) => (
  <Panel title="Walls it has proved" id="walls">{node.drivers.length === 0 ? <Text size="sm">None yet.</Text> : (
    <div className="scroll-box" tabIndex={0} role="region" aria-label="Walls"><table className="table"><thead><tr><th>Driver</th><th>Level</th><th>Runs</th><th>Limits, as tried</th></tr></thead>
      <tbody>{node.drivers.map((driver) => <tr key={driver.id}><td>{driver.id}</td><td>{driver.level}</td><td>{driver.runtimes.join(', ')}</td><td>{Object.entries(driver.limits).map(([name, proof]) => `${visible(name)} ${PROOF[proof]}`).join(', ')}</td></tr>)}</tbody></table></div>)}</Panel>
)

function WhyNot({ node }: { node: Node }) {
  const client = useClient()
  const why = useQuery(nodeWhyQuery(client, node.id))
  return (
    <Panel title="Why was it not chosen?" id="why-not"><Loaded query={why}>{(found) => (
      <><Text size="sm">{found.summary}</Text>
        {found.reasons.length > 0 && <ul className="details">{found.reasons.map((one) => <li key={one.reason}>{plural(one.count, 'placement')}: {visible(one.says)}{one.alone > 0 ? `; nothing else in ${one.alone} of them` : ''}</li>)}</ul>}
        {found.forfeits?.map((one) => <Text key={one} size="sm" mt="xs">{one}</Text>)}
        {found.medianGapPercent !== undefined && <Text size="sm" mt="xs">Where only the price stood against it, it was {found.medianGapPercent} % above the winner (the middle case).</Text>}</>)}</Loaded></Panel>
  )
}
