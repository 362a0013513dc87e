// Jobs with names and parameters. `{{name}}` stands for a text inside of one argument, one variable or the job's name; it stays inside: whatever a value holds, it makes no further
// argument, no further `{{…}}`, and no number of the job's.
import { z } from 'zod'
import { Instant } from './ids.ts'
import { JobSpec, TemplateName } from './job-spec.ts'
import { Amount } from './money.ts'
import { canonical } from './receipt.ts'

/** Templates of one buyer. */
export const TEMPLATES_MAX = 200
const ParameterName = z.string().regex(/^[A-Za-z][A-Za-z0-9_]{0,59}$/, 'letters, digits and underscore, a letter first')
const Value = z.string().max(8192)
export const Parameter = z.strictObject({
  /** `whole` and `number` are texts that must be one; what the program makes of them is its own business. */
  type: z.enum(['text', 'whole', 'number']).default('text'),
  /** Absent: it must be given. */
  default: Value.optional(), choices: z.array(Value).min(1).max(100).optional(), says: z.string().max(200).optional(),
}).meta({ id: 'Parameter' })
export type Parameter = z.infer<typeof Parameter>

export const PutTemplate = z.strictObject({
  spec: JobSpec, parameters: z.record(ParameterName, Parameter).refine((all) => Object.keys(all).length <= 50, 'at most 50 parameters').default({}),
}).meta({ id: 'PutTemplate' })
export type PutTemplate = z.infer<typeof PutTemplate>
export const Template = z.object({ name: TemplateName, spec: JobSpec, parameters: z.record(z.string(), Parameter), savedAt: Instant }).meta({ id: 'Template' })
export type Template = z.infer<typeof Template>

/** The market's own, which the screens have: by name, the SHA-256 of what each runs as it stands on its card (`templateRuns`). Whoever changes one makes another job of it. */
export const PUBLIC_TEMPLATES: Readonly<Record<string, string>> = {
  pi: '5e80f7075db131900e08960a65fbcf55f2ed33891b466ad178aca25de090f83a',
  fractal: '8d7e73fe53c9c6b05e1729c60f4965dd78c8dc024957c29344a3e3002a6e0fb8',
  primes: '8d29efba5a6f2ec73a1dab1fd1d2351597fee8fcfeb057a979e218cfa931d06d',
  program: '5e3e095c25a77a08f66ce2a6a31f64d7df5879ac538141d552a0cc55f1c70ef0',
}
/** Of a job what decides how long it takes and what it costs, as one text. */
export const templateRuns = ({ runtime, command, inputs, tasks, resources: { cpuMillis, memoryBytes, gpus } }: Pick<JobSpec, 'runtime' | 'command' | 'inputs' | 'tasks' | 'resources'>): string =>
  canonical({ runtime, command, inputs: inputs.map(({ path, blob }) => ({ path, blob })), tasks: tasks.map(({ args = [] }) => args), cpuMillis, memoryBytes, gpus })
/** What jobs made from a template took, from their start to their end, and cost: of the newest hundred that completed, and of five at least. `own`: since it was saved. `market`: of all buyers, and only where they ran what its card says. */
export const TemplateFigures = z.object({ name: z.string(), whose: z.enum(['market', 'own']), jobs: z.number().int(), p50Ms: z.number().int(), p90Ms: z.number().int(), p50: Amount, p90: Amount }).meta({ id: 'TemplateFigures' })
export type TemplateFigures = z.infer<typeof TemplateFigures>

const PLACE = /\{\{([A-Za-z][A-Za-z0-9_]{0,59})\}\}/g
const TYPES: Readonly<Record<Parameter['type'], { readonly is: RegExp; readonly says: string }>> = {
  text: { is: /^/, says: '' }, whole: { is: /^-?\d{1,15}$/, says: 'a whole number' }, number: { is: /^-?\d{1,15}(\.\d{1,15})?$/, says: 'a number' },
}
function wrongValue(name: string, { type, choices }: Parameter, value: string): string | null {
  if (!TYPES[type].is.test(value)) return `${name} must be ${TYPES[type].says}, and "${value}" is none`
  return choices && !choices.includes(value) ? `${name} must be one of ${choices.join(', ')}, and "${value}" is none of them` : null
}
function mapTexts(spec: JobSpec, each: (text: string) => string): JobSpec {
  const env = (vars: Record<string, string>): Record<string, string> => Object.fromEntries(Object.entries(vars).map(([name, value]) => [name, each(value)]))
  return {
    ...spec, command: spec.command.map(each), env: env(spec.env), ...(spec.name === undefined ? {} : { name: each(spec.name) }),
    tasks: spec.tasks.map((task) => ({ ...task, ...(task.args ? { args: task.args.map(each) } : {}), ...(task.env ? { env: env(task.env) } : {}) })),
  }
}

/** Why it cannot be kept: a name that is not declared, or never used; a default that is not allowed; a place where nothing is filled in. */
export function templateProblem({ spec, parameters }: Pick<PutTemplate, 'spec' | 'parameters'>): string | null {
  const used = new Set<string>()
  const bare = mapTexts(spec, (text) => text.replaceAll(PLACE, (_all, name: string) => { used.add(name); return '' }))
  for (const name of used) if (!Object.hasOwn(parameters, name)) return `{{${name}}} stands in the job, and no parameter is called that`
  const [, elsewhere] = /\{\{([A-Za-z][A-Za-z0-9_]{0,59})\}\}/.exec(JSON.stringify(bare)) ?? []
  if (elsewhere !== undefined) return `{{${elsewhere}}} stands where nothing is filled in: only the command, arguments of tasks, values of variables and the name are`
  for (const [name, parameter] of Object.entries(parameters)) {
    if (!used.has(name)) return `the parameter ${name} is used nowhere: write {{${name}}} where it belongs`
    for (const value of parameter.choices ?? []) { const wrong = wrongValue(name, { ...parameter, choices: undefined }, value); if (wrong) return `a choice: ${wrong}` }
    const wrong = parameter.default === undefined ? null : wrongValue(name, parameter, parameter.default)
    if (wrong) return `its default: ${wrong}`
  }
  return null
}

/** The job, or why these values make none; each no names its parameter. */
export function fillTemplate({ name: template, spec, parameters }: Pick<Template, 'spec' | 'parameters'> & { name?: string }, values: Readonly<Record<string, string>>): { spec: JobSpec } | { problem: string; /** Of which parameter. */ parameter?: string } {
  for (const name of Object.keys(values)) if (!Object.hasOwn(parameters, name)) return { problem: `there is no parameter ${name}; it has ${Object.keys(parameters).join(', ') || 'none'}` }
  const filled = new Map<string, string>()
  for (const [name, parameter] of Object.entries(parameters)) {
    const value = Object.hasOwn(values, name) ? values[name] : parameter.default
    if (value === undefined) return { parameter: name, problem: `${name} is missing, and has no default${parameter.says ? `: ${parameter.says}` : ''}` }
    const wrong = wrongValue(name, parameter, value)
    if (wrong) return { parameter: name, problem: wrong }
    filled.set(name, value)
  }
  // One pass: what a value holds is not looked at again.
  const made = JobSpec.safeParse({ ...mapTexts(spec, (text) => text.replaceAll(PLACE, (all, name: string) => filled.get(name) ?? all)), ...(template === undefined ? {} : { template }) })
  if (made.success) return { spec: made.data }
  const [issue] = made.error.issues
  return { problem: `with these values it is not a valid job: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}` }
}
