import type { Command } from 'commander'
import { PRICE_NAMES } from '@lumaris/protocol'
import type { PriceSheet } from '@lumaris/protocol'
import { parseAmount, parsePercent } from './parse.ts'

export type PriceOptions = { cpuHour?: bigint; memoryGibHour?: bigint; gpuHour?: bigint; diskGibHour?: bigint; outGib?: bigint; start?: bigint; spotPercent?: number }

export const addPriceOptions = (command: Command): Command => command
  .option('--cpu-hour <credits>', 'a core for an hour', parseAmount).option('--memory-gib-hour <credits>', 'a GiB of memory for an hour', parseAmount)
  .option('--gpu-hour <credits>', 'a graphics card for an hour', parseAmount).option('--disk-gib-hour <credits>', 'a GiB of disk for an hour', parseAmount)
  .option('--out-gib <credits>', 'a GiB of results', parseAmount).option('--start <credits>', 'once per attempt', parseAmount)
  .option('--spot-percent <1-100>', 'take interruptible work, from so many hundredths of these prices', parsePercent)

export const pricesOf = (options: PriceOptions): Partial<PriceSheet> =>
  ({ ...Object.fromEntries(PRICE_NAMES.flatMap((field) => (options[field] === undefined ? [] : [[field, options[field].toString()]]))), ...(options.spotPercent === undefined ? {} : { spotPercent: options.spotPercent }) })
