import type { Command } from 'commander'
import type { PriceSheet } from '@lumaris/protocol'
import { parseAmount } from './parse.ts'

export type PriceOptions = { cpuHour?: bigint; memoryGibHour?: bigint; gpuHour?: bigint; diskGibHour?: bigint; outGib?: bigint; start?: bigint }
const FIELDS = ['cpuHour', 'memoryGibHour', 'gpuHour', 'diskGibHour', 'outGib', 'start'] as const satisfies readonly (keyof PriceSheet)[]

export const addPriceOptions = (command: Command): Command => command
  .option('--cpu-hour <credits>', 'a core for an hour', parseAmount).option('--memory-gib-hour <credits>', 'a GiB of memory for an hour', parseAmount)
  .option('--gpu-hour <credits>', 'a graphics card for an hour', parseAmount).option('--disk-gib-hour <credits>', 'a GiB of disk for an hour', parseAmount)
  .option('--out-gib <credits>', 'a GiB of results', parseAmount).option('--start <credits>', 'once per attempt', parseAmount)

export const pricesOf = (options: PriceOptions): Partial<PriceSheet> =>
  Object.fromEntries(FIELDS.flatMap((field) => (options[field] === undefined ? [] : [[field, options[field].toString()]])))
