// A span of time of what has been: `--since 30d`, or from one moment to another.
import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import { parseDuration } from './parse.ts'

export type SpanOptions = { readonly since?: number; readonly from?: number; readonly to?: number }
/** `2027-01-31`, in UTC, or with a time behind it. */
export function parseMoment(text: string): number {
  const at = /^\d{4}-\d\d-\d\d/.test(text.trim()) ? Date.parse(text.trim()) : Number.NaN
  if (Number.isNaN(at)) throw new InvalidArgumentError(`"${text}" is not a moment. Write it such as 2027-01-31 or 2027-01-31T18:00Z.`)
  return at
}
export const addSpan = (command: Command): Command => command
  .option('--since <duration>', 'from so long ago, such as 7d', parseDuration).option('--from <moment>', 'from then, such as 2027-01-31', parseMoment).option('--to <moment>', 'until then, and that not included', parseMoment)
/** What is not said the market decides: thirty days, until now. */
export const spanOf = ({ since, from, to }: SpanOptions, now: number): { from?: number; to?: number } => {
  const begin = from ?? (since === undefined ? undefined : Math.max(0, now - since))
  return { ...(begin === undefined ? {} : { from: begin }), ...(to === undefined ? {} : { to }) }
}
