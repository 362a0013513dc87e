import { z } from 'zod'
import { AttemptId } from './ids.ts'

/** Ranks of one gang: all start at once, or none. */
export const GANG_MAX = 64
/** Between the ranks of a gang and nobody else: every gang has the same addresses, because no gang's network is seen from outside of it. */
export const gangAddress = (rank: number): string => `10.99.0.${rank + 1}`
/** Names of all ranks, and where they are. */
export const rankHosts = (size: number): Record<string, string> => Object.fromEntries(Array.from({ length: size }, (_, rank) => [`rank-${rank}`, gangAddress(rank)]))
/** Where the ranks of a gang meet, on rank 0: nothing of ours listens there. */
export const RENDEZVOUS_PORT = 29_500

const Rank = z.number().int().min(0).max(GANG_MAX - 1)
/** An X25519 public key, raw, in base64: made anew for each attempt, its private half never leaves the agent. */
export const MeshKey = z.base64().length(44)
export const MeshAddress = z.strictObject({ host: z.string().min(1).max(253), port: z.number().int().min(1).max(65_535) })
export type MeshAddress = z.infer<typeof MeshAddress>
/** What an agent says of itself when it has accepted a rank: its key, and where the others may try to reach it before they ask the relay. */
export const MeshOffer = z.strictObject({ public_key: MeshKey, addresses: z.array(MeshAddress).max(8) })
export type MeshOffer = z.infer<typeof MeshOffer>
export const MeshPeer = MeshOffer.extend({ rank: Rank, attempt_id: AttemptId })
export type MeshPeer = z.infer<typeof MeshPeer>
/** A rank's place in its gang, in its dispatch. */
export const GangPlace = z.strictObject({ rank: Rank, size: z.number().int().min(2).max(GANG_MAX) })
export type GangPlace = z.infer<typeof GangPlace>

// The relay, `GET /v1/agent/mesh/{attempt}` as a WebSocket, with the session's bearer token. Frames are binary: one byte of rank (to whom; from the relay:
// from whom), then what is for that rank, which the relay cannot read.
export const RELAY_PATH = '/v1/agent/mesh/'
/** A packet of the largest size an IP packet has, sealed, and the rank. */
export const RELAY_FRAME_MAX = 65_535 + 64
