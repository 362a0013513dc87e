// What operators look at in the command line: the market at one look, what the server does by itself, what a node has shown, where somebody is signed in.
import type { Command } from 'commander'
import { BACKLOGS, LOOPS } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { asIs } from '../parse.ts'
import { creditsOf } from '../ui/money.ts'
import { agoText, durationText, stamp } from '../ui/time.ts'

export function defineLooks(sub: (name: string, summary: string) => Command, withContext: WithContext): void {
  sub('overview', 'the market at one look: nodes and jobs by state, waits and volume of the last day').action(withContext(overview))
  sub('background', 'what the server does by itself: did it run lately, and what waits for it').action(withContext(background))
  sub('evidence', 'what a node has shown: its key, its hello, its last heartbeat, its last attempts').argument('<node>', 'its id').action(withContext(evidence))
  sub('sessions', 'where a user is signed in, newest first').argument('<user>', 'its id').action(withContext(async (context: Context, user: string) => {
    const { data } = await (await context.client()).api.listUserSessions({ params: { user } }), now = context.io.now()
    await context.showList(data, [{ title: 'session', value: (one) => one.id }, { title: 'program', value: (one) => one.client, shrinks: true }, { title: 'from', value: (one) => one.address }, { title: 'since', value: (one) => stamp(one.createdAt), shown: (one) => agoText(one.createdAt, now) }, { title: 'renewed', value: (one) => stamp(one.renewedAt), shown: (one) => agoText(one.renewedAt, now) }], (one) => one.id, 'Nowhere.')
  }))
  sub('end-session', 'end a session of a user: whoever uses it must sign in again').argument('<user>', 'its id').argument('<session>', 'its id: lumaris admin sessions USER').requiredOption('--reason <text>', 'why; it stands in the log for ever', asIs)
    .action(withContext(async (context: Context, user: string, session: string, { reason }: { reason: string }) => {
      await (await context.client()).api.endUserSession({ params: { user, session }, body: { reason } })
      await context.showThing({ session, ended: true }, [['session', session], ['state', 'ended']])
    }))
}

const counts = (of: Readonly<Record<string, number>>): string => Object.entries(of).map(([name, count]) => `${count} ${name}`).join(', ')
async function overview(context: Context): Promise<void> {
  const found = await (await context.client()).api.getOverview(), { waits, jobs, money } = found
  await context.showThing(found, [
    ['nodes', counts(found.nodes)], ['jobs now', `${jobs.queued} queued, ${jobs.running} running`], ['parts that run', found.running], ['ended in a day', counts(jobs.ended)], ['waited for a node', waits ? `${durationText(waits.p50Ms)} in the middle, 90 % ${durationText(waits.p90Ms)}, 99 % ${durationText(waits.p99Ms)} (${waits.starts} starts)` : undefined],
    ['volume of a day', `${creditsOf(money.volume)} (${money.settled} attempts)`], ['fees of a day', creditsOf(money.fees)], ['open incidents', found.incidents], ['payments that do not agree', found.mismatches], ['market started', stamp(found.startedAt)],
  ])
}

async function background(context: Context): Promise<void> {
  const found = await (await context.client()).api.getBackground(), now = context.io.now()
  if (context.flags.json || context.flags.jsonLines) return context.showThing(found, [])
  await context.showTable('Loops', found.loops, [
    { title: 'what', value: (one) => LOOPS[one.name], shrinks: true }, { title: 'state', value: (one) => (one.late ? 'LATE' : one.lastAt === undefined ? 'not yet' : 'ok') }, { title: 'every', value: (one) => (one.everyMs === null ? 'as needed' : durationText(one.everyMs)) }, { title: 'last', value: (one) => stamp(one.lastAt), shown: (one) => agoText(one.lastAt, now) },
    { title: 'runs', value: (one) => one.runs, right: true }, { title: 'failures', value: (one) => one.failures, right: true }, { title: 'last problem', value: (one) => one.problem, shrinks: true },
  ], '')
  await context.showTable('Waits', found.backlogs, [{ title: 'what', value: (one) => BACKLOGS[one.what], shrinks: true }, { title: 'waiting', value: (one) => one.waiting, right: true }, { title: 'the oldest', value: (one) => stamp(one.oldestAt), shown: (one) => agoText(one.oldestAt, now) }], '')
}

async function evidence(context: Context, node: string): Promise<void> {
  const found = await (await context.client()).api.getNodeEvidence({ params: { node } }), now = context.io.now(), { hello, heartbeat } = found
  if (context.flags.json || context.flags.jsonLines) return context.showThing(found, [])
  await context.showThing(found, [
    ['node', found.node], ['key', found.key.publicKey], ['its SHA-256', found.key.fingerprint], ['enrolled from', found.enrolledFrom], ['connected from', found.connectedFrom],
    ['said hello', hello ? `${stamp(hello.at)}, protocol ${hello.protocol}, agent ${hello.agentVersion}, boot ${hello.boot}` : 'not since this market was started'], ['last heartbeat', heartbeat ? stamp(heartbeat.at) : 'none since this market was started'], ['which said', heartbeat ? JSON.stringify(heartbeat.message) : undefined],
  ])
  await context.showTable('Last attempts', found.attempts, [{ title: 'attempt', value: (one) => one.attempt }, { title: 'job', value: (one) => one.job }, { title: 'state', value: (one) => one.state }, { title: 'cause', value: (one) => one.cause }, { title: 'held against', value: (one) => one.others, right: true }, { title: 'offered', value: (one) => stamp(one.offeredAt), shown: (one) => agoText(one.offeredAt, now) }], 'None.')
}
