// Joining, once: a join token and a fresh key become a node of the seller who made the token.
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Node, NodeId, PriceSheet, Problem } from '@lumaris/protocol'
import type { Capacity, EnrolNode } from '@lumaris/protocol'
import { AgentStopped, codeOf, saysOf } from './log.ts'
import type { Identity } from './identity.ts'
import { writeAtomic } from './files.ts'

export const NODE_FILE = 'node.json'
export const AGENT_VERSION = '0.1.0'
const ENROL_TIMEOUT_MS = 30_000

/** What the data directory remembers of the enrolment. */
export type Enrolled = { readonly node: NodeId; readonly server: string; readonly name: string }
export type EnrolRequest = {
  readonly server: string; readonly token: string; readonly name: string; readonly region?: string; readonly labels?: Readonly<Record<string, string>>
  readonly prices?: Partial<PriceSheet>; readonly capacity: Capacity
}

export async function loadEnrolment(dataDir: string): Promise<Enrolled | null> {
  const path = join(dataDir, NODE_FILE)
  const text = await readFile(path, 'utf8').catch((error: unknown) => { if (codeOf(error) === 'ENOENT') return null; throw error })
  if (text === null) return null
  const { node, server, name } = (tryJson(text) ?? {}) as { [Key in keyof Enrolled]?: unknown }
  const id = NodeId.safeParse(node)
  if (!id.success || typeof server !== 'string' || typeof name !== 'string') throw new AgentStopped(`${path} cannot be read; put the right file back, or remove it and join again.`)
  return { node: id.data, server, name }
}
const tryJson = (text: string): unknown => { try { return JSON.parse(text) } catch { return null /* the schema then says what is wrong */ } }

export async function enrol(dataDir: string, identity: Identity, request: EnrolRequest): Promise<Enrolled> {
  const body: EnrolNode = {
    token: request.token, publicKey: identity.publicKey, proof: identity.sign(`lumaris-enrol:${request.token}`), name: request.name, region: request.region ?? 'local',
    labels: { ...request.labels }, capacity: request.capacity, prices: PriceSheet.parse(request.prices ?? {}), agentVersion: AGENT_VERSION,
  }
  const reply = await fetch(new URL('/v1/nodes', request.server), {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body), signal: AbortSignal.timeout(ENROL_TIMEOUT_MS),
  }).catch((error: unknown) => { throw new AgentStopped(`The market at ${request.server} cannot be reached (${saysOf((error as Error).cause ?? error)}).`, { cause: error }) })
  const said: unknown = await reply.json().catch(() => null)
  if (!reply.ok) {
    const problem = Problem.safeParse(said)
    throw new AgentStopped(problem.success ? `The market did not take this node: ${problem.data.title}. ${problem.data.hint}` : `The market at ${request.server} answered ${reply.status} to the enrolment.`)
  }
  // Only the id matters: a newer market may describe its nodes with more, or otherwise.
  const node = Node.pick({ id: true }).parse(said)
  const enrolled: Enrolled = { node: node.id, server: request.server, name: request.name }
  await mkdir(dataDir, { recursive: true })
  await writeAtomic(join(dataDir, NODE_FILE), `${JSON.stringify(enrolled, null, 2)}\n`)
  return enrolled
}
