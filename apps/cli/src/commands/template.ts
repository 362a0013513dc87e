// `lumaris template`: jobs with names and parameters, kept on the market; lumaris run --template NAME --set key=value makes one.
import { dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import type { PutTemplate, Template } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { findInputs, uploadInputs } from '../inputs.ts'
import { readDescription } from '../read-description.ts'
import { withInputs } from '../spec-options.ts'
import { creditsOf } from '../ui/money.ts'
import { agoText, durationText, stamp } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', `Examples:
  lumaris template save train train.json
  lumaris run --template train --set rate=0.1 --set data=big.csv
  lumaris template list

A file:
  { "parameters": { "rate": { "type": "number", "default": "0.1" }, "data": { "choices": ["small.csv", "big.csv"] } }, "files": ["train.py"],
    "spec": { "runtime": "python", "command": ["python3", "train.py", "--rate={{rate}}", "{{data}}"] } }
`)
  const sub = (name: string, summary: string): Command => command.command(name).summary(summary).description(summary)
  sub('save', 'keep a job under a name; one that is there is replaced').argument('<name>', 'to find it by').argument('<file>', 'JSON or YAML: parameters, files, spec').action(withContext(save))
  sub('list', 'my templates').action(withContext(list))
  sub('show', 'a template, as it was saved').argument('<name>', 'which').action(withContext(async (context: Context, name: string) => context.write(`${JSON.stringify(await (await context.client()).api.getTemplate({ params: { template: name } }), null, 2)}\n`)))
  sub('remove', 'forget a template').argument('<name>', 'which').action(withContext(async (context: Context, name: string) => { await (await context.client()).api.removeTemplate({ params: { template: name } }); context.note('Removed.') }))
}

async function save(context: Context, name: string, file: string): Promise<void> {
  const path = resolve(context.io.cwd, file), value = await readDescription(context, file, 'Give a JSON or YAML file: see lumaris template --help.')
  if (typeof value !== 'object' || value === null || !('spec' in value)) throw new CliError(`${file} has no spec`, 'See lumaris template --help for what a file looks like.', EXIT.usage)
  const { files = [], ...body } = value as { files?: string[]; spec: PutTemplate['spec'] }
  const client = await context.client(), progress = context.progress(), { signal, stop } = context.interruptible()
  try {
    const inputs = await uploadInputs(client, findInputs(files, [], { cwd: dirname(path), auto: false }), { progress, signal })
    progress.clear()
    const saved = await client.api.putTemplate({ params: { template: name }, body: { ...body, spec: withInputs(body.spec, inputs) as PutTemplate['spec'] } }, { signal })
    await context.showThing(saved, [['template', saved.name], ['command', saved.spec.command.join(' ')], ['parameters', parametersOf(saved)], ['files', saved.spec.inputs.map((input) => input.path).join(', ')]])
  } finally { progress.stop(); stop() }
}

const parametersOf = ({ parameters }: Template): string => Object.entries(parameters).map(([name, { type, default: given, choices }]) => `${name}${given === undefined ? '' : `=${given}`} (${choices ? choices.join('|') : type})`).join(', ')
async function list(context: Context): Promise<void> {
  const client = await context.client(), figures = new Map((await client.api.templateFigures()).data.filter(({ whose }) => whose === 'own').map((one) => [one.name, one]))
  await context.showList(client.templates(), [
    { title: 'template', value: (one) => one.name }, { title: 'parameters', value: parametersOf, shrinks: true }, { title: 'command', value: (one) => one.spec.command.join(' '), shrinks: true }, { title: 'saved', value: (one) => stamp(one.savedAt), shown: (one) => agoText(one.savedAt, context.io.now()) },
    { title: 'typically', value: (one) => { const found = figures.get(one.name); return found ? `${durationText(found.p50Ms)}, ${creditsOf(found.p50)}` : '' } },
  ], (one) => one.name, 'No templates. The first one: lumaris template save NAME FILE')
}
