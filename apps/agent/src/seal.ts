import { createHash } from 'node:crypto'
import type { Leaf } from '@lumaris/domain'
import { merkleRoot, sealText } from '@lumaris/protocol'
import type { FromAgent, NodeId, Seal, Sha256 } from '@lumaris/protocol'
import type { Identity } from './identity.ts'

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** One signature for all these ticks: over the root of the tree that they are the leaves of. */
export function sealOf(identity: Identity, by: { readonly node: NodeId; readonly session: number; readonly number: number }, leaves: readonly Leaf[]): Extract<FromAgent, { type: 'seal' }> {
  const root = merkleRoot(sha256, leaves.map((leaf) => leaf.hash)) as Sha256
  const seal: Omit<Seal, 'signature'> = { ...by, root, count: leaves.length }
  return { type: 'seal', seal: { ...seal, signature: identity.sign(sealText(seal)) }, leaves: [...leaves] }
}
