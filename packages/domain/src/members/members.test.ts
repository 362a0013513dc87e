import { expect, test } from 'vitest'
import { isRefusal } from '@lumaris/protocol'
import type { InvitationId, JobId, ScheduleId } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import type { MemberRow, ScheduleRow } from '../rows.ts'
import type { Submitted } from '../job/submit.ts'

const owner = aUser('owner'), sam = aUser('sam'), mia = aUser('mia'), DAY = 86_400_000, FIRST = Date.parse('2026-06-01T00:00:00Z')
const by = { user: sam, name: 'sam' }
function setup() {
  const market = aMarket()
  market.now = FIRST
  market.fund(owner, credits(100))
  const joins = (user: typeof sam, role: MemberRow['role'], limit: bigint | null = null, inviter = owner) => {
    const invited = market.act({ kind: 'invite', account: owner, accountName: 'Owner', by: inviter, byName: 'x', email: `${user}@test`, role, limit, codeHash: `code of ${user} at ${market.now}`, invitee: null })
    return isRefusal(invited) ? invited : market.act({ kind: 'acceptInvitation', codeHash: invited.codeHash, user, email: `${user}@test`, name: user })
  }
  const submit = (cap: number, more: object = {}) => market.submit(owner, aSpec({ resources: { cpuMillis: 900_000 } }), { cap: credits(cap), by, bodyHash: `${market.log.length}`, ...more })
  const used = () => market.state.members.get(owner)?.get(sam)?.used
  return { market, joins, submit, used, cancel: (made: Submitted) => market.act({ kind: 'cancel', job: made.job.id }) }
}

test('a limit is of a calendar month: what was held for and not spent comes back in that month, and a new month begins with nothing', () => {
  const { market, joins, submit, used, cancel } = setup()
  joins(sam, 'submitter', credits(3))
  const first = submit(2) as Submitted, second = submit(1) as Submitted
  expect(submit(1)).toMatchObject({ refusal: 'member_limit', detail: { left: '0' } })
  cancel(second)
  expect(used()).toBe(String(credits(2)))
  market.now += 31 * DAY
  expect(submit(3)).toMatchObject({ job: { by } })
  cancel(first) // of the month before: it does not make this one larger
  expect(used()).toBe(String(credits(3)))
  // The owner is not bound by it, and neither is who may spend what there is.
  expect(submit(20, { by: undefined })).toMatchObject({ job: { buyer: owner } })
  market.act({ kind: 'changeMember', account: owner, by: owner, user: sam, role: 'submitter', limit: null })
  expect(submit(20)).toMatchObject({ job: { by } })
})

test('what was asked before somebody was removed, and is decided after it, is refused; so is his schedule when it fires next', () => {
  const { market, joins, submit } = setup()
  joins(sam, 'submitter')
  const ask = { request: 'req', from: 'here', member: { account: owner, user: sam, name: 'sam', least: 'submitter' as const } }
  const job = (submit(1, { asked: ask }) as Submitted).job.id
  const schedule = market.act({ kind: 'createSchedule', buyer: owner, key: null, bodyHash: 'x', name: null, cron: '*/5 * * * *', timeZone: 'UTC', spec: aSpec(), cap: credits(1), budget: null, overlap: 'allow', by }) as ScheduleRow
  market.join('north').connect()
  market.pass(300_000)
  expect(market.state.schedules.get(schedule.id)?.firings[0]).toMatchObject({ outcome: 'submitted' })
  market.act({ kind: 'removeMember', account: owner, by: owner, user: sam })
  for (const command of [{ kind: 'cancel', job, asked: ask }, { kind: 'changeSchedule', id: schedule.id, to: 'removed', asked: ask }] as const) expect(market.act(command)).toMatchObject({ refusal: 'not_a_member' })
  expect(submit(1, { asked: ask })).toMatchObject({ refusal: 'not_a_member' })
  expect(submit(1)).toMatchObject({ refusal: 'not_a_member' })
  market.pass(300_000)
  expect(market.state.schedules.get('sch_x' as ScheduleId)).toBeUndefined()
  expect(market.state.schedules.get(schedule.id)?.firings[0]).toMatchObject({ outcome: 'refused', refused: 'not_a_member' })
  expect(market.job(job as JobId)?.state).toBe('queued')
})

test('what a manager has begun ends with his role: nobody comes in by a link of his', () => {
  const { market, joins } = setup()
  joins(mia, 'manager')
  const link = (email: string, role: MemberRow['role'] = 'viewer') => market.act({ kind: 'invite', account: owner, accountName: 'Owner', by: mia, byName: 'mia', email, role, limit: null, codeHash: email, invitee: null })
  expect(link('boss@test', 'manager')).toMatchObject({ refusal: 'not_below_you' })
  const kept = market.act({ kind: 'invite', account: owner, accountName: 'Owner', by: owner, byName: 'x', email: 'k@test', role: 'viewer', limit: null, codeHash: 'k', invitee: null }) as { id: InvitationId }
  link('a@test')
  market.act({ kind: 'changeMember', account: owner, by: owner, user: mia, role: 'submitter', limit: null })
  expect([...market.state.invitations.keys()]).toEqual([kept.id])
  expect(link('b@test')).toMatchObject({ refusal: 'not_below_you' })
  market.act({ kind: 'removeMember', account: owner, by: mia, user: mia })
  expect(link('b@test')).toMatchObject({ refusal: 'not_a_member' })
  expect(market.act({ kind: 'acceptInvitation', codeHash: 'a@test', user: sam, email: 'a@test', name: 'sam' })).toMatchObject({ refusal: 'invitation_invalid' })
})
