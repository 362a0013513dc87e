import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import type { JobState } from '@lumaris/protocol'
import { JobRows } from '../jobs/JobRows.tsx'
import { countQuery, jobsQuery, keysQuery, spendQuery, walletQuery } from '../queries.ts'
import { Told } from '../submit/TellMe.tsx'
import { useMay, useSession } from '../session/use-session.ts'
import { creditsText, plural } from '../ui/format.ts'
import { Bar, Credits, Empty, Figure, Figures, Loaded, Page, Panel, Command } from '../ui/parts.tsx'
import { ButtonLink, TextLink } from '../shell/links.tsx'

export function Home() {
  const { client, user, acting } = useSession(), { no } = useMay()
  const wallet = useQuery(walletQuery(client)), jobs = useInfiniteQuery(jobsQuery(client, undefined, 5))
  const latest = jobs.data?.pages[0]?.data
  return (
    <Page title={acting ? acting.name : `Hello, ${user.name}`} actions={<ButtonLink to="/submit" {...no('submitJob')}>New job</ButtonLink>}>
      <Loaded query={wallet}>{(money) => (
        <Figures>
          <Figure label="Available" hint={<><Lasts available={money.available} /><TextLink to="/wallet" size="sm">Wallet</TextLink></>}><Credits of={money.available} /></Figure>
          <Figure label="Held for jobs" hint="comes back where it is not used"><Credits of={money.held} /></Figure>
          <ThisMonth spent={money.spent} />
        </Figures>
      )}</Loaded>
      <Figures><Count state="running" label="Running" /><Count state="queued" label="Queued" /><Count state="failed" label="Failed" /></Figures>
      <FirstSteps ran={latest === undefined ? undefined : latest.length > 0} funded={wallet.data && (wallet.data.available !== '0' || wallet.data.spent !== '0' || wallet.data.held !== '0')} />
      <Told />
      <Panel title="Latest jobs" id="latest" actions={latest && latest.length > 0 && <TextLink to="/jobs" size="sm">All jobs</TextLink>}>
        <Loaded query={jobs} lines={5}>{({ pages }) => (pages[0]?.data.length ? <JobRows jobs={pages[0].data} /> : <Empty title="No jobs yet">A template is the quickest way to see one run: <TextLink to="/submit" search={{ template: 'pi' }}>estimate π in four parts</TextLink>.</Empty>)}</Loaded>
      </Panel>
      <Command line="npx lumaris jobs -n 5" />
    </Page>
  )
}
/** At what the last week cost on average: a statement about the past, and it says so. */
function Lasts({ available }: { available: string }) {
  const { client } = useSession(), spend = useQuery(spendQuery(client, 7)), total = BigInt(spend.data?.total ?? '0')
  if (total === 0n) return null
  const hours = Number((BigInt(available) * 7n * 24n * 10n) / total) / 10
  return <span>lasts {hours < 48 ? `${Math.floor(hours)} h` : hours < 24 * 1_000 ? plural(Math.floor(hours / 24), 'day') : 'over 1,000 days'} at what the last 7 days cost; </span>
}
/** Beside its budget, where one is set. */
function ThisMonth({ spent }: { spent: string }) {
  const { client } = useSession(), month = useQuery(spendQuery(client, 7)).data?.month
  if (!month) return <Figure label="Spent" hint="on all jobs so far"><Credits of={spent} /></Figure>
  const budget = BigInt(month.budget ?? '0')
  return (
    <Figure label="Spent this month (UTC)" hint={<>
      {month.budget !== undefined && <Bar share={budget === 0n ? 1 : Number((BigInt(month.spent) * 1000n) / budget) / 1000} says={`of a budget of ${creditsText(month.budget)}`} />}
      {creditsText(spent)} on all jobs so far; {month.budget === undefined ? <TextLink to="/alerts" size="sm">set a budget</TextLink> : <TextLink to="/wallet" size="sm">how it is going</TextLink>}</>}><Credits of={month.spent} /></Figure>
  )
}
function Count({ state, label }: { state: JobState; label: string }) {
  const { client } = useSession()
  const count = useQuery(countQuery(client, state))
  return <Figure label={label} hint={<TextLink to="/jobs" search={{ state }} size="sm">Show them</TextLink>}>{count.data ?? <span aria-busy="true">…</span>}</Figure>
}

/** What a newcomer does first; gone when all of it is done. */
function FirstSteps({ ran, funded }: { ran: boolean | undefined; funded: boolean | undefined }) {
  const { client } = useSession()
  const keys = useQuery({ ...keysQuery(client), throwOnError: false })
  const hasKey = keys.data && keys.data.data.length > 0
  if (ran === undefined || funded === undefined || keys.isPending || (ran && funded && (hasKey ?? true))) return null
  const step = (done: boolean, text: React.ReactNode) => <li><span aria-hidden>{done ? '✓' : '○'}</span> {done ? <span className="done">{text} (done)</span> : text}</li>
  return (
    <Panel title="First steps" id="first-steps">
      <ul className="checks">
        {step(funded, <TextLink to="/wallet">Add demo credits</TextLink>)}
        {step(ran, <TextLink to="/submit" search={{ template: 'pi' }}>Run a template</TextLink>)}
        {keys.data && step(hasKey === true, <TextLink to="/keys">Make an API key for your programs</TextLink>)}
      </ul>
    </Panel>
  )
}
