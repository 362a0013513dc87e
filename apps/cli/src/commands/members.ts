import type { Command } from 'commander'
import { Option } from 'commander'
import { MEMBER_ROLES, MEMBER_SAYS } from '@lumaris/protocol'
import type { Member, MemberRole } from '@lumaris/protocol'
import type { Api } from '@lumaris/sdk'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { asIs, parseAmount, parseCount } from '../parse.ts'
import { amountOf, creditsOf } from '../ui/money.ts'
import { agoText, stamp } from '../ui/time.ts'

type Terms = { role: MemberRole; limit?: bigint }
export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris members invite ida@example.org --role submitter --limit 50\n  lumaris members list\n  lumaris members role ida@example.org --role manager\n  lumaris members remove ida@example.org\n  lumaris members accept https://market.example/invitation#…\n')
    .addHelpText('after', `\nRoles:\n${MEMBER_ROLES.map((role) => `  ${role.padEnd(10)} ${MEMBER_SAYS[role]}`).join('\n')}\nPayouts, top-ups, nodes and sign-in stay with the owner. To act for an account you work for: lumaris use, or --account.`)
  const sub = (name: string, summary: string): Command => command.command(name).summary(summary).description(summary)
  const terms = (one: Command): Command => one.addOption(new Option('--role <role>', 'what they may do').choices(MEMBER_ROLES).makeOptionMandatory()).option('--limit <credits>', 'of a submitter: what their jobs of a calendar month may come to', parseAmount)
  sub('list', 'who works for this account, and who is invited').action(withContext(list))
  terms(sub('invite', 'invite somebody; the link is shown once, for you to hand over').argument('<e-mail>', 'whom')).action(withContext(invite))
  terms(sub('role', 'change a role or a limit; it holds at once').argument('<member>', 'e-mail or id')).action(withContext(change))
  sub('remove', 'they act for this account no more; or take an invitation back').argument('<member>', 'e-mail or id, of a member or an invitation').action(withContext(remove))
  sub('accept', 'work for the account that invites you').argument('<link>', 'or the code at its end', asIs).action(withContext(accept))
  sub('leave', 'work for an account no more').argument('<account>', 'e-mail, name or id').action(withContext(leave))
  sub('acts', 'what members did for this account, newest first').option('-n, --limit <count>', 'so many at most', parseCount, 50).action(withContext(acts))
}

const limitText = ({ monthlyLimit, usedThisMonth }: Pick<Member, 'monthlyLimit' | 'usedThisMonth'>): string => `${amountOf(BigInt(usedThisMonth))}${monthlyLimit === null ? '' : ` of ${amountOf(BigInt(monthlyLimit))}`}`
const bodyOf = ({ role, limit }: Terms): { role: MemberRole; monthlyLimit: string | null } => ({ role, monthlyLimit: limit?.toString() ?? null })

async function list(context: Context): Promise<void> {
  const { api } = await context.client(), now = context.io.now(), { data } = await api.listMembers()
  await context.showList(data, [
    { title: 'member', value: (one) => one.user }, { title: 'name', value: (one) => one.name, shrinks: true }, { title: 'e-mail', value: (one) => one.email, shrinks: true }, { title: 'role', value: (one) => one.role },
    { title: 'used this month', value: limitText, right: true }, { title: 'since', value: (one) => stamp(one.since), shown: (one) => agoText(one.since, now) },
  ], (one) => one.user, 'Nobody works for this account but its owner.')
  if (context.flags.json || context.flags.jsonLines || context.flags.quiet) return
  const open = (await api.listInvitations()).data
  if (open.length > 0) await context.showTable('Invited', open, [{ title: 'invitation', value: (one) => one.id }, { title: 'e-mail', value: (one) => one.email, shrinks: true }, { title: 'role', value: (one) => one.role }, { title: 'by', value: (one) => one.byName, shrinks: true }, { title: 'until', value: (one) => stamp(one.expiresAt) }], '')
}

async function invite(context: Context, email: string, options: Terms): Promise<void> {
  const { api, origin } = await context.client(), made = await api.inviteMember({ body: { email, ...bodyOf(options) } }), link = new URL(made.path, origin).href
  if (context.flags.quiet) return context.write(`${link}\n`)
  await context.showThing({ ...made, link }, [['invited', made.email], ['as', made.role], ['up to, a month', made.monthlyLimit === null ? undefined : creditsOf(made.monthlyLimit)], ['until', stamp(made.expiresAt)], ['link', link]])
  context.note('Hand the link over now: it is not shown again, and works once, for that address.')
}

async function memberBy(api: Api, said: string): Promise<Member | undefined> { return (await api.listMembers()).data.find(({ user, email }) => user === said || email === said.toLowerCase()) }
const nobody = (said: string): CliError => new CliError(`Nobody called ${said} works for this account`, 'See them by lumaris members list.', EXIT.notFound)

async function change(context: Context, said: string, options: Terms): Promise<void> {
  const { api } = await context.client(), before = await memberBy(api, said)
  if (!before) throw nobody(said)
  const now = await api.changeMember({ params: { user: before.user }, body: bodyOf(options) })
  await context.showThing(now, [['member', now.email], ['role', now.role], ['used this month', limitText(now)]])
}
async function remove(context: Context, said: string): Promise<void> {
  const { api } = await context.client(), member = await memberBy(api, said)
  if (member) { await api.removeMember({ params: { user: member.user } }); return context.note(`${member.name} acts for this account no more.`) }
  const invited = (await api.listInvitations()).data.find(({ id, email }) => id === said || email === said.toLowerCase())
  if (!invited) throw nobody(said)
  await api.revokeInvitation({ params: { invitation: invited.id } })
  context.note(`The invitation of ${invited.email} is taken back.`)
}
async function accept(context: Context, link: string): Promise<void> {
  const { api } = await context.self(), account = await api.acceptInvitation({ body: { code: link.split('#').at(-1) ?? '' } })
  await context.showThing(account, [['you work for', account.name], ['account', account.account], ['as', account.role], ['up to, a month', account.monthlyLimit === null ? undefined : creditsOf(account.monthlyLimit)]])
  context.note(`Act for it: lumaris use ${account.email}, or --account ${account.email} with any command.`)
}
async function leave(context: Context, said: string): Promise<void> {
  const client = await context.self(), account = await context.accountBy(client, said)
  await client.api.leaveAccount({ params: { account: account.account } })
  context.note(`You work for ${account.name} no more.`)
}
async function acts(context: Context, { limit }: { limit: number }): Promise<void> {
  const { data } = await (await context.client()).api.listMemberActs({ query: { limit: Math.max(1, Math.min(200, limit)) } }), now = context.io.now()
  await context.showList(data, [
    { title: 'when', value: (one) => stamp(one.at), shown: (one) => agoText(one.at, now) }, { title: 'who', value: (one) => one.byName, shrinks: true }, { title: 'did', value: (one) => `${one.route}${one.isOpen ? ' (begun)' : ''}` }, { title: 'to', value: (one) => one.subject }, { title: 'from', value: (one) => one.from },
  ], (one) => one.id, 'No member has changed anything yet.')
}
