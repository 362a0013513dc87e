// The thread in which strangers' files are looked at: what hangs or bursts here is ended from outside, and the market goes on.
import { parentPort } from 'node:worker_threads'
import type { Compare } from '@lumaris/protocol'
import { areSame, lookAtImages } from './same.ts'
import type { NoImage } from './image.ts'

export type Question = { readonly id: number; readonly compare: Compare; readonly one: Uint8Array; readonly other: Uint8Array }
export type Answer = { readonly id: number; readonly same: boolean; /** One of them is no picture, or none that may be looked at. */ readonly why?: NoImage }

parentPort?.on('message', ({ id, compare, one, other }: Question) => {
  let found: Omit<Answer, 'id'> = { same: false }
  try { found = compare.kind === 'image' ? lookAtImages(compare, one, other) : { same: areSame(compare, one, other) } } catch { /* what cannot be compared is not the same */ }
  parentPort?.postMessage({ id, ...found } satisfies Answer)
})
