// What stands in the form, and the job that it means. Nothing is checked here that the server checks: its refusal comes back by place and stands
// beside its field.
import { GIB, MIB, formatCredits, parseCredits } from '@lumaris/protocol'
import type { InputFile, JobSpec, JobSpecInput, Runtime, TaskSpec } from '@lumaris/protocol'
import { joinWords, splitWords } from './words.ts'

export type Draft = {
  readonly name: string; readonly runtime: Runtime; /** What a container is made of. */ readonly image: string; /** Null: the program is one of the files, and `args` is the whole command. */ readonly code: string | null; readonly args: string; readonly parts: string
  /** New files of this browser, and those that the market already has (of a copied job). */
  readonly files: readonly File[]; readonly kept: readonly InputFile[]
  /** Parts of a copied job that differ in more than their words. */
  readonly keptTasks: readonly TaskSpec[] | null
  readonly cores: number | string; readonly memoryMib: number | string; readonly diskMib: number | string; readonly gpus: number | string
  readonly minLevel: string; readonly regions: string; readonly minTrust: string
  readonly minutes: number | string; readonly retries: number | string; readonly copies: number | string; readonly maxAttempt: string
  /** What the form has no field for, from a copied job. */
  readonly rest: Partial<JobSpec>
}
export const EMPTY: Draft = {
  name: '', runtime: 'javascript', image: '', code: "console.log('hello from', Deno.args)\n", args: '', parts: '', files: [], kept: [], keptTasks: null, cores: 1, memoryMib: 512, diskMib: 512, gpus: 0,
  minLevel: 'language', regions: '', minTrust: '', minutes: 10, retries: 5, copies: 1, maxAttempt: '', rest: {},
}
export const CODE_FILE = { javascript: 'main.ts', python: 'main.py' } as const

/** The file that the code in the form becomes, where there is code in it. */
export const ownFile = (draft: Pick<Draft, 'runtime' | 'code'>): string | null => (draft.code === null || !(draft.runtime in CODE_FILE) ? null : CODE_FILE[draft.runtime as keyof typeof CODE_FILE])

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

export type Plan = { readonly spec: JobSpecInput; /** What must be uploaded before the job can be submitted. */ readonly uploads: readonly Blob[] }

/** Files are hashed here: a job names them by what they are. */
export async function planOf(draft: Draft, hash: (blob: Blob) => Promise<string>): Promise<Plan> {
  const uploads: Blob[] = [], inputs: InputFile[] = []
  const add = async (path: string, blob: Blob): Promise<void> => { uploads.push(blob); inputs.push({ path, blob: (await hash(blob)) as InputFile['blob'], size: blob.size }) }
  const own = ownFile(draft)
  if (own !== null) await add(own, new Blob([draft.code ?? '']))
  for (const file of draft.files) await add(file.name, file)
  const args = words(draft.args, own === null ? '/spec/command' : 'args')
  const command = own === null ? args : draft.runtime === 'python' ? ['python3', own, ...args] : [own, ...args]
  const lines = draft.parts.split('\n').filter((line) => line.trim() !== '')
  const tasks = draft.keptTasks ? [...draft.keptTasks] : lines.map((line) => ({ args: words(line, '/spec/tasks') }))
  const regions = draft.regions.split(/[\s,]+/).filter(Boolean)
  const max = draft.maxAttempt.trim() === '' ? null : parseCredits(draft.maxAttempt.trim())
  if (draft.maxAttempt.trim() !== '' && max === null) throw new Unclear('/spec/placement/maxAttemptCost', 'An amount of credits, such as 0.5.')
  const { placement, ...rest } = draft.rest
  return {
    uploads,
    spec: {
      ...rest, ...(draft.name.trim() === '' ? {} : { name: draft.name.trim() }), runtime: draft.runtime, ...(draft.runtime === 'container' ? { image: draft.image.trim() } : {}), command, inputs: [...inputs, ...draft.kept], ...(tasks.length > 0 ? { tasks } : {}),
      resources: { ...rest.resources, cpuMillis: Math.round(number(draft.cores) * 1000), memoryBytes: Math.round(number(draft.memoryMib) * MIB), diskBytes: Math.round(number(draft.diskMib) * MIB), gpus: number(draft.gpus) },
      limits: { ...rest.limits, runMs: Math.round(number(draft.minutes) * 60_000), retries: number(draft.retries) }, copies: number(draft.copies),
      placement: { ...placement, minLevel: draft.minLevel as JobSpec['placement']['minLevel'], ...(regions.length > 0 ? { regions } : {}), ...(draft.minTrust === '' ? {} : { minTrust: draft.minTrust as 'known' | 'trusted' }), ...(max === null ? {} : { maxAttemptCost: max.toString() }) },
    },
  }
}

/** The form filled in with an earlier job. `code` is the text of its program, where it had one of ours. */
export function draftOf(spec: JobSpec, code: string | null): Draft {
  const { name, runtime, image, command, inputs, tasks, resources, limits, placement, copies, ...others } = spec
  const { minLevel, regions, minTrust, maxAttemptCost, ...where } = placement
  const own = ownFile({ runtime, code })
  const simple = tasks.every((task) => task.env === undefined && task.inputs === undefined)
  return {
    ...EMPTY, name: name ?? '', runtime, image: image ?? '', code, args: joinWords(own === null ? command : command.slice(command.indexOf(own) + 1)),
    parts: simple && tasks.some((task) => (task.args ?? []).length > 0) ? tasks.map((task) => joinWords(task.args ?? [])).join('\n') : '', keptTasks: simple ? null : tasks,
    kept: inputs.filter((file) => file.path !== own), cores: resources.cpuMillis / 1000, memoryMib: resources.memoryBytes / MIB, diskMib: resources.diskBytes / MIB, gpus: resources.gpus,
    minLevel, regions: (regions ?? []).join(', '), minTrust: minTrust ?? '', minutes: limits.runMs / 60_000, retries: limits.retries, copies, maxAttempt: maxAttemptCost === undefined ? '' : formatCredits(BigInt(maxAttemptCost)),
    rest: { ...others, limits, resources, placement: where as JobSpec['placement'] },
  }
}
/** The program of a job that was written in this form. */
export const codeFileOf = (spec: JobSpec): InputFile | null => (!(spec.runtime in CODE_FILE) ? null : (spec.inputs.find((file) => file.path === CODE_FILE[spec.runtime as keyof typeof CODE_FILE] && spec.command.indexOf(file.path) === (spec.runtime === 'python' ? 1 : 0)) ?? null))
export const CODE_MAX = GIB / 1024
