// Something done to several jobs: asked once, done one by one, and said of each what became of it.
import { useRef, useState } from 'react'
import type { ReactNode } from 'react'
import { Alert, Button, Group, Modal, Stack, Text, Textarea } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import type { Job } from '@lumaris/protocol'
import { isLumarisError, newJobId } from '@lumaris/sdk'
import { walletQuery } from '../queries.ts'
import { useSession } from '../session/use-session.ts'
import { sendJob } from '../submit/send.ts'
import { credits, creditsText, plural } from '../ui/format.ts'
import { Command, CopyId } from '../ui/parts.tsx'
import { TextLink } from '../shell/links.tsx'
import { jobName } from './JobRows.tsx'

/** Asked at one time. */
const AT_ONCE = 4
/** `again`: it may be tried again as it is. */
type Outcome = { readonly ok: boolean; readonly says: ReactNode; readonly again?: boolean }
type Words = { readonly title: string; readonly going: string; readonly did: string; readonly yes: string; readonly no: string; readonly blocked?: string | undefined; readonly color?: 'red' }
const saysOf = (error: unknown): string => (isLumarisError(error) ? error.message : String(error))

function Several({ jobs, close, words, one, command, children }: { jobs: readonly Job[]; close: () => void; words: Words; one: (job: Job) => Promise<Outcome>; command?: string; children: ReactNode }) {
  const queries = useQueryClient(), leaving = useRef(false)
  const [outcomes, setOutcomes] = useState<ReadonlyMap<string, Outcome>>(new Map()), [going, setGoing] = useState(false), [busy, setBusy] = useState(false)
  const go = async (which: readonly Job[]): Promise<void> => {
    setGoing(true)
    setBusy(true)
    const left = [...which]
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (let job = left.shift(); job && !leaving.current; job = left.shift()) { const { id } = job, outcome = await one(job); setOutcomes((now) => new Map(now).set(id, outcome)) }
    }))
    setBusy(false)
    for (const key of ['jobs', 'wallet']) void queries.invalidateQueries({ queryKey: [key] })
  }
  const leave = (): void => { leaving.current = true; close() }
  const done = [...outcomes.values()], over = going && !busy && done.length === jobs.length, bad = done.filter(({ ok }) => !ok).length, again = jobs.filter((job) => outcomes.get(job.id)?.again)
  return (
    <Modal opened onClose={leave} title={going ? words.going : words.title}>
      <Stack>
        {!going && children}
        {going && <Text size="sm" role="status">{over ? `${done.length - bad} of ${plural(jobs.length, 'job')} ${words.did}${bad > 0 ? `, ${bad} not` : ''}.` : `${done.length} of ${jobs.length} asked…`}</Text>}
        <ul className="details outcomes" tabIndex={0} aria-label="Jobs">{jobs.map((job) => <li key={job.id}>{jobName(job)} <code>…{job.id.slice(-8)}</code><CopyId id={job.id} what="job id" />{outcomes.has(job.id) && <>: <strong>{outcomes.get(job.id)?.says}</strong></>}</li>)}</ul>
        {!going && command !== undefined && <Command line={command} />}
        <Group justify="flex-end">{going
          ? <>{over && again.length > 0 && <Button onClick={() => void go(again)}>Try {plural(again.length, 'job')} again</Button>}<Button variant="default" onClick={leave}>{over ? 'Close' : 'Stop here'}</Button></>
          : <><Button variant="default" onClick={close}>{words.no}</Button><Button {...(words.color ? { color: words.color } : {})} disabled={words.blocked !== undefined} title={words.blocked} onClick={() => void go(jobs)}>{words.yes}</Button></>}</Group>
      </Stack>
    </Modal>
  )
}

/** Says also of those that had ended meanwhile. */
export function CancelSeveral({ jobs, close }: { jobs: readonly Job[]; close: () => void }) {
  const { client, user } = useSession(), [reason, setReason] = useState(''), areTheirs = jobs.some((job) => job.buyer !== user.id)
  const one = async (job: Job): Promise<Outcome> => {
    try { const now = await client.cancel(job.id, job.buyer === user.id ? {} : { reason: reason.trim() }); return { ok: true, says: now.state === 'cancelled' ? 'cancelled' : 'is being cancelled' } } catch (error) {
      return { ok: false, says: isLumarisError(error, 'job_ended') ? 'had ended already' : `not cancelled: ${saysOf(error)}` }
    }
  }
  return (
    <Several jobs={jobs} close={close} one={one} words={{ title: `Cancel ${plural(jobs.length, 'job')}?`, going: 'Cancelling', did: 'cancelled', yes: `Cancel ${plural(jobs.length, 'job')}`, no: 'Leave them', color: 'red', blocked: areTheirs && reason.trim().length < 3 ? 'Say why first' : undefined }}>
      <Text size="sm">What ran until now is billed; the rest of their caps comes back. It cannot be taken back.</Text>
      {areTheirs && <Textarea label="Reason" description="Some are somebody else’s: it stands in the log of admin actions, and their buyers see it" autosize minRows={2} value={reason} onChange={(event) => setReason(event.currentTarget.value)} />}
    </Several>
  )
}

/** Each new job has its id before the first try, so that trying again makes no second one. */
export function RerunSeveral({ jobs, close }: { jobs: readonly Job[]; close: () => void }) {
  const { client } = useSession(), wallet = useQuery(walletQuery(client)), [ids] = useState(() => new Map(jobs.map((job) => [job.id, newJobId()])))
  const cap = jobs.reduce((sum, job) => sum + BigInt(job.cap), 0n), missing = wallet.data ? cap - BigInt(wallet.data.available) : 0n
  const one = async (job: Job): Promise<Outcome> => {
    const sent = await sendJob(client, { id: ids.get(job.id) ?? '', spec: job.spec, cap: job.cap })
    if (sent.kind === 'accepted') return { ok: true, says: <>runs again as <TextLink to="/jobs/$job" params={{ job: sent.job.id }} size="sm">…{sent.job.id.slice(-8)}</TextLink></> }
    return sent.kind === 'unknown' ? { ok: false, again: true, says: 'it is not known whether it runs again: the market does not answer' } : { ok: false, again: true, says: `not run again: ${saysOf(sent.error)}` }
  }
  return (
    <Several jobs={jobs} close={close} one={one} command={`npx lumaris rerun ${jobs.slice(0, 5).map(({ id }) => id).join(' ')}${jobs.length > 5 ? ' …' : ''}`} words={{ title: `Run ${plural(jobs.length, 'job')} again?`, going: 'Running again', did: 'run again', yes: `Hold ${creditsText(cap)} and run ${plural(jobs.length, 'job')} again`, no: 'Leave it' }}>
      <Text size="sm">Each is submitted once more as it was, with the same files and the same cap: together at most {creditsText(cap)}, held from now on. What is not used comes back. The jobs that ran before stay as they are.</Text>
      {missing > 0n && <Alert color="orange" title={`${credits(missing)} credits are missing`}>Those that your wallet cannot pay for are refused, and you are told which. <TextLink to="/wallet" size="sm">Add credits</TextLink></Alert>}
    </Several>
  )
}
