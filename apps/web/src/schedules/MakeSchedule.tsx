import { useState } from 'react'
import { Button, Group, NativeSelect, Stack, TextInput } from '@mantine/core'
import { formatCredits, parseCredits } from '@lumaris/protocol'
import type { Job } from '@lumaris/protocol'
import { isLumarisError } from '@lumaris/sdk'
import { jobName } from '../jobs/JobRows.tsx'
import { useClient } from '../session/use-session.ts'
import { beside } from '../ui/field-errors.ts'
import { visible } from '../ui/format.ts'
import { Facts, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'

const TIMES = [['0 3 * * *', 'every day at 03:00'], ['@hourly', 'every hour'], ['0 9 * * 1-5', 'on weekdays at 09:00'], ['0 4 * * 1', 'every Monday at 04:00'], ['0 5 1 * *', 'on the first of a month at 05:00'], ['', 'at other times']] as const

/** The job as it was, at the times of a cron. One press makes one: the key is made before the first try. */
export function MakeSchedule({ job, close, made }: { job: Job; close: () => void; made: () => void }) {
  const client = useClient(), { busy, error, submit } = useWork()
  const [key] = useState(() => crypto.randomUUID()), [preset, setPreset] = useState<string>(TIMES[0][0]), [own, setOwn] = useState(''), [timeZone, setTimeZone] = useState(() => Intl.DateTimeFormat().resolvedOptions().timeZone)
  const [cap, setCap] = useState(() => formatCredits(BigInt(job.cap))), [budget, setBudget] = useState(''), [overlap, setOverlap] = useState('skip')
  const cron = preset === '' ? own.trim() : preset, most = parseCredits(cap.trim()), all = budget.trim() === '' ? undefined : parseCredits(budget.trim())
  const wrong = most === null || all === null || cron === ''
  const make = async (): Promise<void> => {
    if (wrong) return
    // What it came after is over; a firing stands by itself.
    const { after: _after, ...spec } = job.spec
    await client.api.createSchedule({ body: { cron, timeZone: timeZone.trim(), spec, cap: most.toString(), ...(job.spec.name === undefined ? {} : { name: job.spec.name }), ...(all === undefined ? {} : { budget: all.toString() }), overlap: overlap as 'skip' | 'allow' } }, { key })
    made()
  }
  const aboutTimes = isLumarisError(error, 'impossible_request') && typeof error.detail?.['reason'] === 'string' && /cron|time zone/i.test(error.detail['reason'])
  const { at, isLeft } = beside(error, [...(preset === '' ? ['/cron'] : []), '/timeZone', '/cap', '/budget', '/overlap'], { ...(aboutTimes ? { impossible_request: preset === '' ? '/cron' : '/timeZone' } : {}), cap_too_low: '/cap', member_limit: '/cap' })
  return (
    <form onSubmit={(event) => submit(event, make)} noValidate><Stack>
      <Facts of={[['Job', jobName(job)], ['Runs', <code key="what">{visible(job.spec.command.join(' '))}</code>]]} />
      <NativeSelect label="When" value={preset} onChange={(event) => setPreset(event.currentTarget.value)} data={TIMES.map(([value, label]) => ({ value, label }))} />
      {preset === '' && <TextInput label="Times, as a cron" description="Minute, hour, day of the month, month, weekday: 0 3 * * * is every day at three" value={own} onChange={(event) => setOwn(event.currentTarget.value)} error={at('/cron')} spellCheck={false} />}
      <TextInput label="By the clock of" description="A time zone such as Europe/Berlin" value={timeZone} onChange={(event) => setTimeZone(event.currentTarget.value)} error={at('/timeZone')} />
      <Group grow preventGrowOverflow={false} align="flex-start">
        <TextInput label="Each at most, credits" description="Held when it fires" inputMode="decimal" miw={160} value={cap} onChange={(event) => setCap(event.currentTarget.value)} error={most === null ? 'An amount such as 12.5' : at('/cap')} />
        <TextInput label="All together at most" description="Empty: no bound" inputMode="decimal" miw={160} value={budget} onChange={(event) => setBudget(event.currentTarget.value)} error={all === null ? 'An amount such as 12.5' : at('/budget')} />
      </Group>
      <NativeSelect label="While the last one still runs" value={overlap} onChange={(event) => setOverlap(event.currentTarget.value)} error={at('/overlap')} data={[{ value: 'skip', label: 'leave the next one out' }, { value: 'allow', label: 'run the next one beside it' }]} />
      {isLeft && <Refusal error={error} title="It is not repeated" />}
      <Group justify="flex-end"><Button variant="default" onClick={close}>Leave it</Button><Button type="submit" loading={busy} disabled={wrong} title={wrong ? 'Something above is missing, or is no amount' : undefined}>Repeat it</Button></Group>
    </Stack></form>
  )
}
