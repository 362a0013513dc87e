import { z } from 'zod'

// Why an attempt ended, and who bears it. `buyer`: billed up to the end. `seller` and `platform`: everything since the last durable
// checkpoint is refunded, at once and without a ticket; the two differ in whose record it counts against.
export const CAUSES = {
  succeeded: { bears: 'buyer', says: 'the work ended well' },
  buyer_exit: { bears: 'buyer', says: 'the program ended with a non-zero exit code' },
  buyer_limit: { bears: 'buyer', says: 'the program went over a limit of the job (memory, disk, time, processes or output)' },
  buyer_cancelled: { bears: 'buyer', says: 'the buyer cancelled it' },
  input_unavailable: { bears: 'buyer', says: 'an input could not be fetched' },
  seller_offline: { bears: 'seller', says: 'the node went silent' },
  seller_reclaimed: { bears: 'seller', says: 'the seller took the machine back' },
  seller_refused: { bears: 'seller', says: 'the node did not take the work' },
  driver_failed: { bears: 'seller', says: 'the isolation driver failed on the node' },
  wrong_result: { bears: 'seller', says: 'the result did not agree with those of independent nodes' },
  referee_failed: { bears: 'buyer', says: 'the buyer’s command that compares results broke, ran too long or ended with a code that says nothing; who gave the results is paid, and blamed for nothing' },
  preempted: { bears: 'platform', says: 'firm work took the place, and paid for what had run' },
  peer_lost: { bears: 'platform', says: 'another rank of its gang was lost, so all of them begin again' },
  moved: { bears: 'platform', says: 'it was moved to another node, with all it had done' },
  platform_fault: { bears: 'platform', says: 'the market failed' },
  funds_exhausted: { bears: 'buyer', says: 'the cap was used up' },
  parent_failed: { bears: 'buyer', says: 'a job that it comes after did not complete; it never ran, and nothing is billed' },
  queue_timeout: { bears: 'platform', says: 'no node was found in the time the job was willing to wait' },
} as const satisfies Record<string, { bears: 'buyer' | 'seller' | 'platform'; says: string }>

export type CauseName = keyof typeof CAUSES
export const Cause = z.enum(Object.keys(CAUSES) as [CauseName, ...CauseName[]]).meta({ id: 'Cause' })
export type Cause = z.infer<typeof Cause>
