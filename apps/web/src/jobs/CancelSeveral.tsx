import { useRef, useState } from 'react'
import { Button, Group, Modal, Stack, Text, Textarea } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import type { Job } from '@lumaris/protocol'
import { isLumarisError } from '@lumaris/sdk'
import { useSession } from '../session/use-session.ts'
import { plural } from '../ui/format.ts'
import { CopyId } from '../ui/parts.tsx'
import { jobName } from './JobRows.tsx'

/** Asked at one time. */
const AT_ONCE = 4
type Outcome = { readonly ok: boolean; readonly says: string }

/** Asks once, cancels one by one, and says of each what became of it: also that it had ended meanwhile. */
export function CancelSeveral({ jobs, close }: { jobs: readonly Job[]; close: () => void }) {
  const { client, user } = useSession(), [reason, setReason] = useState(''), areTheirs = jobs.some((job) => job.buyer !== user.id), queries = useQueryClient(), leaving = useRef(false)
  const [outcomes, setOutcomes] = useState<ReadonlyMap<string, Outcome>>(new Map()), [going, setGoing] = useState(false)
  const one = async (job: Job): Promise<Outcome> => {
    try { const now = await client.cancel(job.id, job.buyer === user.id ? {} : { reason: reason.trim() }); return { ok: true, says: now.state === 'cancelled' ? 'cancelled' : 'is being cancelled' } } catch (error) {
      if (isLumarisError(error, 'job_ended')) return { ok: false, says: 'had ended already' }
      return { ok: false, says: `not cancelled: ${isLumarisError(error) ? error.message : String(error)}` }
    }
  }
  const go = async (): Promise<void> => {
    setGoing(true)
    const left = [...jobs]
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
      for (let job = left.shift(); job && !leaving.current; job = left.shift()) { const { id } = job, outcome = await one(job); setOutcomes((now) => new Map(now).set(id, outcome)) }
    }))
    void queries.invalidateQueries({ queryKey: ['jobs'] })
    void queries.invalidateQueries({ queryKey: ['wallet'] })
  }
  const leave = (): void => { leaving.current = true; close() }
  const done = [...outcomes.values()], over = going && done.length === jobs.length
  return (
    <Modal opened onClose={leave} title={going ? 'Cancelling' : `Cancel ${plural(jobs.length, 'job')}?`}>
      <Stack>
        {!going && <Text size="sm">What ran until now is billed; the rest of their caps comes back. It cannot be taken back.</Text>}
        {!going && areTheirs && <Textarea label="Reason" description="Some are somebody else’s: it stands in the log of admin actions, and their buyers see it" autosize minRows={2} value={reason} onChange={(event) => setReason(event.currentTarget.value)} />}
        {going && <Text size="sm" role="status">{over ? `${done.filter(({ ok }) => ok).length} of ${plural(jobs.length, 'job')} cancelled${done.some(({ ok }) => !ok) ? `, ${done.filter(({ ok }) => !ok).length} not` : ''}.` : `${done.length} of ${jobs.length} asked…`}</Text>}
        <ul className="details outcomes" tabIndex={0} aria-label="Jobs">{jobs.map((job) => <li key={job.id}>{jobName(job)} <code>…{job.id.slice(-8)}</code><CopyId id={job.id} what="job id" />{outcomes.has(job.id) && <>: <strong>{outcomes.get(job.id)?.says}</strong></>}</li>)}</ul>
        <Group justify="flex-end">{going ? <Button variant="default" onClick={leave}>{over ? 'Close' : 'Stop here'}</Button> : <><Button variant="default" onClick={close}>Leave them</Button><Button color="red" disabled={areTheirs && reason.trim().length < 3} title={areTheirs && reason.trim().length < 3 ? 'Say why first' : undefined} onClick={() => void go()}>Cancel {plural(jobs.length, 'job')}</Button></>}</Group>
      </Stack>
    </Modal>
  )
}
