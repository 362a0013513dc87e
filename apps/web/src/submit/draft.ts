// What stands in the form, and the job that it means. Nothing is checked here that the server checks: its refusal comes back by place and stands
// beside its field.
import { GIB, MIB, formatCredits, parseCredits } from '@lumaris/protocol'
import type { Assurance, InputFile, JobSpec, JobSpecInput, Runtime, TaskSpec } from '@lumaris/protocol'
import { joinWords, splitWords } from './words.ts'

/** A variable of the job. The value of a secret is never kept anywhere but in the form. */
export type Variable = { readonly name: string; readonly value: string; readonly secret: boolean }
export type Draft = {
  readonly name: string; readonly runtime: Runtime; /** What a container is made of. */ readonly image: string; /** Null: the program is one of the files, and `args` is the whole command. */ readonly code: string | null; readonly args: string; readonly parts: string
  /** New files of this browser, and those that the market already has (of a copied job). */
  readonly files: readonly File[]; readonly kept: readonly InputFile[]
  readonly env: readonly Variable[]; /** Files that were chosen before the page was loaded anew: a browser gives them only once. */ readonly lost: readonly string[]
  /** Parts of a copied job that differ in more than their words. */
  readonly keptTasks: readonly TaskSpec[] | null
  readonly cores: number | string; readonly memoryMib: number | string; readonly diskMib: number | string; readonly gpus: number | string
  /** Each a part of a card, of so many percent at least; empty: whole cards. */ readonly gpuPercent: number | string; readonly gpuModels: string; readonly gpuGib: number | string
  readonly minLevel: string; readonly regions: string; readonly minTrust: string
  /** How it is served: at once and for sure, cheaply while there is room, or cheaply as long as its deadline allows. */
  readonly service: 'firm' | 'interruptible' | 'deadline'; readonly bid: string; /** Null: not chosen yet. */ readonly by: number | null; readonly budget: string
  /** How long a part takes, as its owner thinks. */ readonly expected: number | string; /** What is kept of a try, a pattern a line. */ readonly keep: string; readonly assurance: string
  readonly minutes: number | string; readonly retries: number | string; readonly copies: number | string; readonly maxAttempt: string
  /** What the form has no field for, from a copied job. */
  readonly rest: Partial<JobSpec>
}
export const EMPTY: Draft = {
  name: '', runtime: 'javascript', image: '', code: "console.log('hello from', Deno.args)\n", args: '', parts: '', files: [], kept: [], env: [], lost: [], keptTasks: null, cores: 1, memoryMib: 512, diskMib: 512, gpus: 0,
  gpuPercent: '', gpuModels: '', gpuGib: '',
  minLevel: 'language', regions: '', minTrust: '', service: 'firm', bid: '', by: null, budget: '', expected: '', keep: '', assurance: '', minutes: 10, retries: 5, copies: 1, maxAttempt: '', rest: {},
}
export const CODE_FILE = { javascript: 'main.ts', python: 'main.py' } as const

/** The file that the code in the form becomes, where there is code in it. */
export const ownFile = (draft: Pick<Draft, 'runtime' | 'code'>): string | null => (draft.code === null || !(draft.runtime in CODE_FILE) ? null : CODE_FILE[draft.runtime as keyof typeof CODE_FILE])

/** What was chosen comes to what is there; one of the same name takes its place, also where it was lost. */
export function withFiles({ files, kept, lost }: Pick<Draft, 'files' | 'kept' | 'lost'>, chosen: readonly File[]): Pick<Draft, 'files' | 'kept' | 'lost'> {
  const names = new Set(chosen.map(({ name }) => name)), last = [...new Map(chosen.map((file) => [file.name, file])).values()]
  return { files: [...files.filter(({ name }) => !names.has(name)), ...last], kept: kept.filter(({ path }) => !names.has(path)), lost: lost.filter((name) => !names.has(name)) }
}
/** What is wrong with a field before anything can be asked, by the place where it will be. */
export class Unclear extends Error {
  readonly place: string
  constructor(place: string, message: string) { super(message); this.place = place }
}
const number = (value: number | string): number => (typeof value === 'number' ? value : value.trim() === '' ? Number.NaN : Number(value))
const words = (text: string, place: string): string[] => {
  const found = splitWords(text)
  if (!found) throw new Unclear(place, 'A quote stays open.')
  return found
}

const amount = (text: string, place: string): bigint | null => {
  const found = text.trim() === '' ? null : parseCredits(text.trim())
  if (text.trim() !== '' && found === null) throw new Unclear(place, 'An amount of credits, such as 0.5.')
  return found
}
/** An empty field asks for nothing. */
const given = <Name extends string, Value>(name: Name, value: Value | null | undefined): { [Key in Name]?: Value } => (value === null || value === undefined ? {} : { [name]: value }) as { [Key in Name]?: Value }

/** What must be uploaded before the job can be submitted, under the name that it will have. */
export type Upload = { readonly path: string; readonly blob: Blob }
export type Plan = { readonly spec: JobSpecInput; readonly uploads: readonly Upload[]; /** The budget, where there is one: the cap is no more than it. */ readonly cap: bigint | null; /** What goes beside the job. */ readonly secrets: Readonly<Record<string, string>>; /** Secrets without a value: it can be priced, and not submitted. */ readonly missing: readonly string[] }

/** Files are hashed here: a job names them by what they are. */
export async function planOf(draft: Draft, hash: (blob: Blob) => Promise<string>): Promise<Plan> {
  const uploads: Upload[] = [], inputs: InputFile[] = []
  const add = async (path: string, blob: Blob): Promise<void> => { uploads.push({ path, blob }); inputs.push({ path, blob: (await hash(blob)) as InputFile['blob'], size: blob.size }) }
  const own = ownFile(draft)
  if (own !== null) await add(own, new Blob([draft.code ?? '']))
  for (const file of draft.files) await add(file.name, file)
  const args = words(draft.args, own === null ? '/spec/command' : 'args')
  const command = own === null ? args : draft.runtime === 'python' ? ['python3', own, ...args] : [own, ...args]
  const lines = draft.parts.split('\n').filter((line) => line.trim() !== '')
  const tasks = draft.keptTasks ? [...draft.keptTasks] : lines.map((line) => ({ args: words(line, '/spec/tasks') }))
  const regions = draft.regions.split(/[\s,]+/).filter(Boolean)
  const max = amount(draft.maxAttempt, '/spec/placement/maxAttemptCost'), bid = draft.service === 'interruptible' ? amount(draft.bid, '/spec/interruptible/bidHour') : null, cap = draft.service === 'deadline' ? amount(draft.budget, '/cap') : null
  if (draft.service === 'deadline' && draft.by === null) throw new Unclear('/spec/deadline', 'By when is it wanted?')
  if (draft.service === 'deadline' && String(draft.expected).trim() === '') throw new Unclear('/spec/expectedMs', 'From how long a part takes follows when it must become firm.')
  const keep = draft.keep.split('\n').map((line) => line.trim()).filter(Boolean), models = draft.gpuModels.split(/[\s,]+/).filter(Boolean), isSet = (value: number | string): boolean => String(value).trim() !== ''
  const { placement, checkpoint, ...rest } = draft.rest
  const named = draft.env.filter(({ name, value }) => name.trim() !== '' || value !== '').map((one) => ({ ...one, name: one.name.trim() })), secret = named.filter((one) => one.secret)
  if (named.some(({ name }) => name === '')) throw new Unclear('/spec/env', 'A variable has a value and no name.')
  const twice = named.find(({ name }, i) => named.findIndex((other) => other.name === name) !== i)
  if (twice) throw new Unclear('/spec/env', `${twice.name} stands there twice.`)
  const env = Object.fromEntries(named.filter((one) => !one.secret).map(({ name, value }) => [name, value]))
  return {
    uploads, cap, secrets: Object.fromEntries(secret.filter(({ value }) => value !== '').map(({ name, value }) => [name, value])), missing: secret.filter(({ value }) => value === '').map(({ name }) => name),
    spec: {
      ...rest, ...(draft.name.trim() === '' ? {} : { name: draft.name.trim() }), runtime: draft.runtime, ...(draft.runtime === 'container' ? { image: draft.image.trim() } : {}), command, inputs: [...inputs, ...draft.kept], ...(Object.keys(env).length > 0 ? { env } : {}), ...(secret.length > 0 ? { secrets: secret.map(({ name }) => name) } : {}), ...(tasks.length > 0 ? { tasks } : {}),
      resources: { ...rest.resources, cpuMillis: Math.round(number(draft.cores) * 1000), memoryBytes: Math.round(number(draft.memoryMib) * MIB), diskBytes: Math.round(number(draft.diskMib) * MIB), gpus: number(draft.gpus), ...(isSet(draft.gpuPercent) ? { gpuShare: Math.round(number(draft.gpuPercent) * 10) } : {}), ...(models.length > 0 ? { gpuModels: models } : {}), ...(isSet(draft.gpuGib) ? { gpuMemoryBytes: Math.round(number(draft.gpuGib) * GIB) } : {}) },
      limits: { ...rest.limits, runMs: Math.round(number(draft.minutes) * 60_000), retries: number(draft.retries) }, copies: number(draft.copies),
      ...(draft.service === 'interruptible' ? { interruptible: given('bidHour', bid?.toString()) } : {}), ...(draft.service === 'deadline' ? { plan: 'deadline' as const, ...given('deadline', draft.by) } : {}), ...(isSet(draft.expected) ? { expectedMs: Math.round(number(draft.expected) * 60_000) } : {}),
      ...(keep.length > 0 ? { checkpoint: { ...checkpoint, paths: keep } } : {}), ...(draft.assurance === '' ? {} : { assurance: draft.assurance as Assurance }),
      placement: { ...placement, minLevel: draft.minLevel as JobSpec['placement']['minLevel'], ...(regions.length > 0 ? { regions } : {}), ...(draft.minTrust === '' ? {} : { minTrust: draft.minTrust as 'known' | 'trusted' }), ...(max === null ? {} : { maxAttemptCost: max.toString() }) },
    },
  }
}

/** The form filled in with an earlier job. `code` is the text of its program, where it had one of ours. */
export function draftOf(spec: JobSpec, code: string | null): Draft {
  const { name, runtime, image, command, inputs, env, secrets = [], tasks, resources: { gpuShare, gpuModels, gpuMemoryBytes, ...resources }, limits, placement, copies, interruptible, plan, expectedMs, assurance, deadline, ...others } = spec
  const { minLevel, regions, minTrust, maxAttemptCost, ...where } = placement
  const own = ownFile({ runtime, code })
  const simple = tasks.every((task) => task.env === undefined && task.inputs === undefined)
  return {
    ...EMPTY, name: name ?? '', runtime, image: image ?? '', code, args: joinWords(own === null ? command : command.slice(command.indexOf(own) + 1)),
    parts: simple && tasks.some((task) => (task.args ?? []).length > 0) ? tasks.map((task) => joinWords(task.args ?? [])).join('\n') : '', keptTasks: simple ? null : tasks, env: [...Object.entries(env).map(([key, value]) => ({ name: key, value, secret: false })), ...secrets.map((key) => ({ name: key, value: '', secret: true }))],
    kept: inputs.filter((file) => file.path !== own), cores: resources.cpuMillis / 1000, memoryMib: resources.memoryBytes / MIB, diskMib: resources.diskBytes / MIB, gpus: resources.gpus, gpuPercent: gpuShare === undefined ? '' : gpuShare / 10, gpuModels: (gpuModels ?? []).join(', '), gpuGib: gpuMemoryBytes === undefined ? '' : gpuMemoryBytes / GIB,
    service: plan ? 'deadline' : interruptible ? 'interruptible' : 'firm', bid: interruptible?.bidHour === undefined ? '' : formatCredits(BigInt(interruptible.bidHour)), by: plan ? (deadline ?? null) : null, expected: expectedMs === undefined ? '' : expectedMs / 60_000, keep: (others.checkpoint?.paths ?? []).join('\n'), assurance: assurance ?? '',
    minLevel, regions: (regions ?? []).join(', '), minTrust: minTrust ?? '', minutes: limits.runMs / 60_000, retries: limits.retries, copies, maxAttempt: maxAttemptCost === undefined ? '' : formatCredits(BigInt(maxAttemptCost)),
    // A deadline without a plan has no field: it stays as it was.
    rest: { ...others, ...(plan || deadline === undefined ? {} : { deadline }), limits, resources, placement: where as JobSpec['placement'] },
  }
}
/** The program of a job that was written in this form. */
export const codeFileOf = (spec: JobSpec): InputFile | null => (!(spec.runtime in CODE_FILE) ? null : (spec.inputs.find((file) => file.path === CODE_FILE[spec.runtime as keyof typeof CODE_FILE] && spec.command.indexOf(file.path) === (spec.runtime === 'python' ? 1 : 0)) ?? null))
export const CODE_MAX = GIB / 1024
