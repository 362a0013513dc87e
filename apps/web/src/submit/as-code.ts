// The job of the form as somebody would order it without the form: a request, lines for a shell, and a program. Each can be copied and run as it stands.
import { formatCredits } from '@lumaris/protocol'
import type { Plan } from './draft.ts'
import { joinWords } from './words.ts'

export type Form = 'yaml' | 'cli' | 'sdk' | 'json'
/** A text file that is short enough to be shown; others are named. */
export type Shown = ReadonlyMap<string, string>

/** Without what is uploaded with it: who orders it brings those files along. */
export function withoutUploads({ spec, uploads }: Plan): Plan['spec'] {
  const inputs = (spec.inputs ?? []).filter((file) => !uploads.some((one) => one.path === file.path)), { inputs: _all, ...rest } = spec
  return inputs.length > 0 ? { ...rest, inputs } : rest
}
/** A line that does not stand in the text, so that the text ends where it should. */
const endOf = (text: string): string => { let end = 'END'; while (text.split('\n').includes(end)) end += 'D'; return end }
const fileLines = (path: string, text: string): string => { const end = endOf(text); return `cat > ${joinWords([path])} <<'${end}'\n${text}${text.endsWith('\n') ? '' : '\n'}${end}\n` }

/** How the file with this name is submitted, with what it expects beside it. */
export const submitLine = (file: string, { uploads, spec, cap }: Plan): string => `npx lumaris submit --spec ${file} --no-auto${uploads.map(({ path }) => ` --file ${joinWords([path])}`).join('')}${(spec.secrets ?? []).map((name) => ` --secret ${joinWords([name])}`).join('')}${cap === null ? '' : ` --cap ${formatCredits(cap)}`}`

export function cliText(plan: Plan, shown: Shown): string {
  return `${[...shown].map(([path, text]) => fileLines(path, text)).join('')}${fileLines('job.json', JSON.stringify(withoutUploads(plan), null, 2))}${submitLine('job.json', plan)}\n`
}
export function sdkText(plan: Plan, origin: string): string {
  const { uploads, cap } = plan, spec = withoutUploads(plan), inputs = spec.inputs ?? []
  const more = [...(cap === null ? [] : [`cap: ${cap}n`]), ...(spec.secrets ? [`secrets: { ${spec.secrets.map((name) => `${name}: process.env.${name} ?? ''`).join(', ')} }`] : [])]
  const lines = [
    `import { readFile } from 'node:fs/promises'`, `import { createClient } from '@lumaris/sdk'`, '', `const client = createClient({ url: ${JSON.stringify(origin)}, token: process.env.LUMARIS_TOKEN })`,
    ...(uploads.length > 0 ? [`const upload = async (path) => ({ path, ...(({ blob, size }) => ({ blob, size }))(await client.upload(await readFile(path))) })`] : []),
    `const job = await client.submit({`, ...JSON.stringify({ ...spec, inputs: undefined }, null, 2).split('\n').slice(1, -1).map((line, i, all) => (i === all.length - 1 ? `${line},` : line)),
    `  inputs: [${[...uploads.map(({ path }) => `await upload(${JSON.stringify(path)})`), ...inputs.map((file) => JSON.stringify(file))].join(', ')}],`, `}${more.length === 0 ? '' : `, { ${more.join(', ')} }`})`, 'console.log(job.id)', '',
  ]
  return lines.join('\n')
}
