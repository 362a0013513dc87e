// The networks of this agent's ranks: one door for all of them where the owner has opened one, and everything else loaded with the first gang.
import { join } from 'node:path'
import type { RankNetwork } from '../attempts.ts'
import { saysOf } from '../log.ts'
import type { Log } from '../log.ts'
import type { JobDispatch } from '@lumaris/protocol'
import type { MeshListener } from './direct.ts'

export type RankNetworks = { readonly listener: () => Promise<MeshListener | null>; readonly make: (order: JobDispatch, lost: (why: string) => void) => Promise<RankNetwork>; close(): Promise<void> }
/** `port`: where other agents may connect; undefined: nowhere, and all goes over the market's relay. */
export function createRankNetworks({ server, token, dataDir, log, port }: { readonly server: string; readonly token: () => string; readonly dataDir: string; readonly log: Log; readonly port?: number | undefined }): RankNetworks {
  let door: Promise<MeshListener | null> | null = null
  const open = async (at: number): Promise<MeshListener | null> => {
    const { openMeshListener } = await import('./direct.ts')
    return openMeshListener({ port: at }).catch((error: unknown) => { log.warn({ port: at, error: saysOf(error) }, 'no port for the networks of gangs: they go over the relay of the market'); return null })
  }
  const listener = async (): Promise<MeshListener | null> => (port === undefined ? null : (door ??= open(port)))
  return {
    listener,
    async make(order, onLost) {
      const { networkOf, prepareMesh } = await import('./mesh.ts')
      const prepared = prepareMesh({ attemptId: order.attempt_id, server, token, listener: await listener(), scratch: join(dataDir, 'mesh'), log, onLost })
      return { offer: prepared.offer, join: async (place, peers) => networkOf(prepared.join(place, peers)), close: () => prepared.close() }
    },
    async close() { await (await door)?.close() },
  }
}
