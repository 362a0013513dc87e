// All peers, and how they are measured beside each other: one at a time, round after round, each round beginning with another one, so that an
// hour in which the machine is slow is not held against one of them. Another benchmark that wants the peers in its own run calls `measureInRotation`
// with its own Peers added.
import { median, type Load, type Measures, type Peer } from './load.ts'
import { peers as bullmq } from './bullmq.ts'
import { peers as graphileWorker } from './graphile-worker.ts'
import { peers as pgBoss } from './pg-boss.ts'

export const PEERS: Peer[] = [...graphileWorker, ...pgBoss, ...bullmq]

export interface PeerResult {
  name: string
  versions: Record<string, string>
  median?: Measures
  rounds: Measures[]
  /** Why it cannot be measured on this machine. */
  missing?: string
  /** What ended it; the rounds before that are kept, and no median is made of them. */
  failed?: string
}

export async function measureInRotation(peers: readonly Peer[], { load, rounds, progress }: { load: Load; rounds: number; progress: (line: string) => void }): Promise<PeerResult[]> {
  const results = new Map<Peer, PeerResult>()
  for (const peer of peers) {
    const missing = peer.available()
    results.set(peer, { name: peer.name, versions: peer.versions(), rounds: [], ...(missing === undefined ? {} : { missing }) })
    if (missing !== undefined) progress(`${peer.name}: not measured, ${missing}`)
  }
  for (let round = 0; round < rounds; round++) {
    for (const peer of rotated(peers, round)) {
      const result = results.get(peer)
      if (!result || result.missing !== undefined || result.failed !== undefined) continue
      try {
        const started = performance.now()
        result.rounds.push(await peer.run(load, (line) => progress(`round ${round + 1} of ${rounds}, ${peer.name}: ${line}`)))
        progress(`round ${round + 1} of ${rounds}, ${peer.name}: done in ${((performance.now() - started) / 1000).toFixed(0)} s`)
      } catch (error) {
        result.failed = error instanceof Error ? error.message : String(error)
        progress(`round ${round + 1} of ${rounds}, ${peer.name}: failed, ${result.failed}`)
      }
    }
  }
  return [...results.values()].map((result) => result.rounds.length === rounds ? { ...result, median: medianOf(result.rounds) } : result)
}

const rotated = <T>(items: readonly T[], by: number): T[] => items.map((_, i) => items[(i + by) % items.length] as T)   // the index is always inside

function medianOf(rounds: Measures[]): Measures {
  const of = (key: keyof Measures): number => median(rounds.map((round) => round[key]))
  return {
    closedLoopPerSecond: of('closedLoopPerSecond'), drainPerSecond: of('drainPerSecond'),
    latencyMsP50: of('latencyMsP50'), latencyMsP99: of('latencyMsP99'), rssMiB: of('rssMiB'),
  }
}
