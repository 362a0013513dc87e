// What jobs made from templates took and cost, as they ended: of one's own templates the jobs since it was saved, of the market's those of all buyers that ran the very same thing. Found among
// the newest jobs, so that a question costs the same however old the market is.
import { JobSpec, PUBLIC_TEMPLATES, TEMPLATES_MAX, templateRuns } from '@lumaris/protocol'
import type { TemplateFigures, UserId } from '@lumaris/protocol'
import type { Database } from '../database/database.ts'
import { jobRow } from './load.ts'
import { listTemplates } from './templates.ts'

const LOOKED = 3_000
/** Of so many of the newest; and fewer than that are chance. */
const COUNTED = 100, LEAST = 5

type Ran = { readonly ms: number; readonly cost: bigint }
async function ended(db: Database, buyer: UserId | null, names: readonly string[]): Promise<{ name: string; at: number; spec: JobSpec; ran: Ran }[]> {
  const field = db.dialect === 'sqlite' ? "json_extract(spec, '$.template')" : "spec::json->>'template'"
  const rows = await db.query<{ spec: string; doc: string }>(`SELECT spec, doc FROM (SELECT id, state, spec, doc FROM jobs ${buyer === null ? '' : 'WHERE buyer = $1'} ORDER BY id DESC LIMIT ${LOOKED}) newest WHERE state = 'completed' AND ${field} IS NOT NULL ORDER BY id DESC`, buyer === null ? [] : [buyer])
  return rows.map(jobRow).flatMap(({ spec, startedAt, endedAt, createdAt, cost }) => (spec.template !== undefined && names.includes(spec.template) && startedAt !== null && endedAt !== null ? [{ name: spec.template, at: createdAt, spec, ran: { ms: endedAt - startedAt, cost } }] : []))
}
function figures(name: string, whose: TemplateFigures['whose'], all: readonly Ran[]): TemplateFigures[] {
  const counted = all.slice(0, COUNTED), rank = (share: number): number => Math.ceil(share * counted.length) - 1
  if (counted.length < LEAST) return []
  const ms = counted.map((one) => one.ms).toSorted((a, b) => a - b), cost = counted.map((one) => one.cost).toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0))
  return [{ name, whose, jobs: counted.length, p50Ms: ms[rank(0.5)] as number, p90Ms: ms[rank(0.9)] as number, p50: String(cost[rank(0.5)]), p90: String(cost[rank(0.9)]) }]
}

export async function readPublicFigures(db: Database, hash: (text: string) => string): Promise<TemplateFigures[]> {
  const jobs = await ended(db, null, Object.keys(PUBLIC_TEMPLATES))
  return Object.entries(PUBLIC_TEMPLATES).flatMap(([name, runs]) => figures(name, 'market', jobs.filter((job) => job.name === name && hash(templateRuns(JobSpec.parse(job.spec))) === runs).map(({ ran }) => ran)))
}
export async function readOwnFigures(db: Database, buyer: UserId): Promise<TemplateFigures[]> {
  const { data } = await listTemplates(db, buyer, TEMPLATES_MAX, undefined)
  if (data.length === 0) return []
  const jobs = await ended(db, buyer, data.map(({ name }) => name))
  return data.flatMap(({ name, savedAt }) => figures(name, 'own', jobs.filter((job) => job.name === name && job.at >= savedAt).map(({ ran }) => ran)))
}
