import type { Command } from 'commander'
import { SETTINGS, SETTING_NAMES, readSetting, showSetting } from '@lumaris/protocol'
import type { ChangeSettings, SettingName, Settings } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { asIs, parseCount } from '../parse.ts'
import { agoText, stamp } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', `Examples:
  lumaris --as admin settings
  lumaris --as admin settings set fee 4% --reason 'as agreed for winter'
  lumaris --as admin settings set newJobsPaused 'A switch is replaced until noon.' --reason maintenance
  lumaris --as admin settings set newJobsPaused open --reason 'it is replaced'
  lumaris --as admin settings reset fee --reason 'back to what it was'
  lumaris --as admin settings log
`)
  const sub = (name: string, summary: string): Command => command.command(name).summary(summary).description(summary)
  const NAMES = SETTING_NAMES.join(', '), why = ['--reason <text>', 'why; it stands in the log for ever', asIs] as const
  sub('list', 'what operators may change while the market runs').action(withContext(list))
  sub('set', 'change one; it holds from now on').argument('<name>', NAMES).argument('<value>', 'as it is listed: 4%, 100, 1.2.0, a sentence, open').requiredOption(...why).action(withContext(async (context: Context, name: string, text: string, { reason }: { reason: string }) => change(context, name, text, reason)))
  sub('reset', 'back to what it is where nobody has set it').argument('<name>', NAMES).requiredOption(...why).action(withContext(async (context: Context, name: string, { reason }: { reason: string }) => change(context, name, null, reason)))
  sub('log', 'every change, newest first').option('-n, --limit <count>', 'so many at most', parseCount, 50).action(withContext(log))
  command.action(withContext(list))
}

const rows = ({ values, defaults }: Settings) => SETTING_NAMES.map((name) => ({ name, value: values[name], ifNotSet: defaults[name], says: SETTINGS[name].says }))
async function list(context: Context): Promise<void> {
  const settings = await (await context.client()).api.getSettings()
  if (context.flags.json || context.flags.jsonLines) return context.showThing(settings, [])
  await context.showList(rows(settings), [
    { title: 'setting', value: (one) => one.name }, { title: 'value', value: (one) => showSetting(one.name, one.value), shrinks: true }, { title: 'if not set', value: (one) => (one.value === one.ifNotSet ? '' : showSetting(one.name, one.ifNotSet)) }, { title: 'what it does', value: (one) => one.says, shrinks: true },
  ], (one) => one.name, '')
}

async function change(context: Context, name: string, text: string | null, reason: string): Promise<void> {
  if (!isSetting(name)) throw new CliError(`There is no setting ${name}`, `One of ${SETTING_NAMES.join(', ')}.`, EXIT.usage)
  const read = text === null ? { value: null } : readSetting(name, text)
  if ('wrong' in read) throw new CliError(`"${text}" is no value of ${name}`, `Write ${read.wrong}.`, EXIT.usage)
  const { api } = await context.client(), before = await api.getSettings()
  const now = await api.changeSettings({ body: { version: before.version, set: { [name]: read.value } as ChangeSettings['set'], reason } })
  await context.showThing(now, [['setting', name], ['was', showSetting(name, before.values[name])], ['is', showSetting(name, now.values[name])], ['version', now.version]])
}
const isSetting = (name: string): name is SettingName => (SETTING_NAMES as readonly string[]).includes(name)

async function log(context: Context, options: { limit: number }): Promise<void> {
  const { data } = await (await context.client()).api.listSettingsVersions({ query: { limit: Math.max(1, Math.min(200, options.limit)) } }), now = context.io.now()
  await context.showList(data, [
    { title: 'version', value: (one) => one.version, right: true }, { title: 'when', value: (one) => stamp(one.at), shown: (one) => agoText(one.at, now) }, { title: 'who', value: (one) => one.byName || one.by },
    { title: 'what', value: (one) => Object.entries(one.changed).map(([name, { before, after }]) => (isSetting(name) ? `${name}: ${showSetting(name, before)} → ${showSetting(name, after)}` : name)).join('; '), shrinks: true }, { title: 'why', value: (one) => one.reason, shrinks: true },
  ], (one) => String(one.version), 'Nobody has changed anything yet.')
}
