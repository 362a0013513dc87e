// What people type, as values: sizes, times, cores, credits. A wrong one is answered with what would have been right.
import { domainToASCII } from 'node:url'
import { InvalidArgumentError } from 'commander'
import { Compare, EgressRule, LabelTerm, parseCredits } from '@lumaris/protocol'
import type { JobSpecInput } from '@lumaris/protocol'

const SIZES: Readonly<Record<string, number>> = {
  '': 1, b: 1, k: 1024, kib: 1024, m: 1024 ** 2, mib: 1024 ** 2, g: 1024 ** 3, gib: 1024 ** 3, t: 1024 ** 4, tib: 1024 ** 4,
  kb: 1e3, mb: 1e6, gb: 1e9, tb: 1e12,
}
/** `512MiB`, `2GB` (thousands), `1.5g` (1024s), `4096`. */
export function parseSize(text: string): number {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)\s?([a-z]{0,3})$/i.exec(text.trim())
  const unit = match && SIZES[(match[2] ?? '').toLowerCase()]
  const bytes = match && unit !== undefined && unit !== null ? Math.floor(Number(match[1]) * unit) : Number.NaN
  if (!Number.isSafeInteger(bytes)) throw new InvalidArgumentError(`"${text}" is not a size. Write it such as 512MiB, 2GB or 1.5GiB.`)
  return bytes
}

const TIMES: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 }
/** `90s`, `10m`, `1h30m`; a bare number is refused, because half of us would mean seconds and half minutes. */
export function parseDuration(text: string): number {
  const source = text.trim().toLowerCase()
  let ms = 0
  if (!/^(\d{1,9}(?:\.\d{1,3})?\s?(?:ms|s|min|m|h|d)\s?)+$/.test(source)) throw new InvalidArgumentError(`"${text}" is not a duration. Write it such as 90s, 10m or 1h30m.`)
  for (const [, number, unit] of source.matchAll(/(\d+(?:\.\d+)?)\s?(ms|s|min|m|h|d)/g)) ms += Number(number) * (TIMES[unit ?? ''] ?? 0)
  return Math.round(ms)
}

/** `18:00` (the next one, by this machine's clock), `2h30m` from now, or a date and time such as `2027-01-31T18:00`: as milliseconds since 1970, given the time now. */
export function parseDeadline(text: string): (now: number) => number {
  const clock = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text.trim())
  if (clock) {
    return (now) => {
      const at = new Date(now)
      at.setHours(Number(clock[1]), Number(clock[2]), 0, 0)
      if (at.getTime() <= now) at.setDate(at.getDate() + 1)
      return at.getTime()
    }
  }
  if (/^\d{4}-\d\d-\d\d/.test(text.trim())) {
    const at = Date.parse(text.trim())
    if (!Number.isNaN(at)) return () => at
  } else {
    try { const ms = parseDuration(text); return (now) => now + ms } catch { /* said below, with all three forms */ }
  }
  throw new InvalidArgumentError(`"${text}" is not a time. Write it such as 18:00, 2h30m from now, or 2027-01-31T18:00.`)
}

/** `2`, `0.5`: cores, as thousandths. */
export function parseCores(text: string): number {
  if (!/^\d{1,4}(\.\d{1,3})?$/.test(text.trim()) || Number(text) <= 0) throw new InvalidArgumentError(`"${text}" is not a number of cores. Write it such as 2 or 0.5.`)
  return Math.round(Number(text) * 1000)
}

export function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text.trim())) throw new InvalidArgumentError(`"${text}" is not a whole number.`)
  return Number(text)
}

export function parseShare(text: string): number {
  if (!/^(0(\.\d{1,6})?|1(\.0{1,6})?)$/.test(text.trim())) throw new InvalidArgumentError(`"${text}" is not a share. Write it such as 0.05; at most 1.`)
  return Number(text)
}

/** `json`, `numbers:1e-6` with a relative tolerance, `numbers:1e-6:1e-12` with an absolute one too. */
export function parseCompare(text: string): NonNullable<JobSpecInput['compare']> {
  const [kind = '', first, second, more] = text.trim().split(':'), [one, two] = kind === 'image' ? ['mean', 'largest'] as const : ['relative', 'absolute'] as const
  const parsed = Compare.safeParse({ kind, ...(first === undefined ? {} : { [one]: distance(first) }), ...(second === undefined ? {} : { [two]: distance(second) }) })
  if (!parsed.success || more !== undefined) throw new InvalidArgumentError(`"${text}" is no way to compare. Write bytes, json or numbers, and for the last two a relative tolerance from 0 to 1 and an absolute one: numbers:1e-6:1e-12. Or image, with how far pixels may be off in the mean and at most, of 255: image:0.5:8.`)
  return parsed.data
}
const distance = (text: string): number => (/^\d+(\.\d+)?([eE][+-]?\d{1,3})?$/.test(text) ? Number(text) : Number.NaN)

/** `1/7`, `0.25`: thousandths of a card, rounded down as those of a partition are. */
export function parseGpuShare(text: string): number {
  const [, part, whole] = /^(\d{1,3})\s?\/\s?(\d{1,3})$/.exec(text.trim()) ?? [], decimal = /^(0\.\d{1,3}|1(\.0{1,3})?)$/.test(text.trim()) ? Math.round(Number(text) * 1000) : Number.NaN
  const share = part === undefined ? decimal : Math.floor((Number(part) * 1000) / Number(whole))
  if (!(share >= 1 && share <= 1000)) throw new InvalidArgumentError(`"${text}" is not a share of a card. Write it such as 1/7 or 0.25; at most 1.`)
  return share
}

export function parsePercent(text: string): number {
  if (!/^\d{1,3}$/.test(text.trim()) || Number(text) < 1 || Number(text) > 100) throw new InvalidArgumentError(`"${text}" is not a whole number from 1 to 100.`)
  return Number(text)
}

/** `12.5` credits, in micro-credits. */
export function parseAmount(text: string): bigint {
  const micros = parseCredits(text.trim())
  if (micros === null) throw new InvalidArgumentError(`"${text}" is not an amount of credits. Write it such as 10 or 0.25, with at most six decimals.`)
  return micros
}

export const parsePair = (text: string): readonly [string, string] => {
  const at = text.indexOf('=')
  if (at < 1) throw new InvalidArgumentError(`"${text}" is not of the form NAME=VALUE.`)
  return [text.slice(0, at), text.slice(at + 1)]
}

export type Parent = { readonly job: string; readonly from?: string; readonly to?: string }
/** `JOB`, `JOB=*.csv`, `JOB=*.csv:data`: what a job comes after, and the files it takes over. */
export function parseAfter(text: string): Parent {
  const [, job, from, to] = /^(job_[0-9a-z]{26})(?:=([^:]+)(?::(.+))?)?$/.exec(text.trim()) ?? []
  if (job === undefined) throw new InvalidArgumentError(`"${text}" is not a job to come after. Write it such as job_01jcd3k8w9e5r7t2y4u6p8a0sd, with =PATTERN or =PATTERN:DIR behind it.`)
  return { job, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) }
}

/** `zone=a,b`, `zone!=a`, `disk.gbps>=2`, `fast`, `!shared`. */
export function parseWhere(text: string): LabelTerm {
  const [, not = '', label = '', op = '', rest = ''] = /^(!?)([a-z0-9][a-z0-9._/-]*)(?:(!=|>=|<=|=)(.*))?$/.exec(text.trim()) ?? []
  const values = rest.split(',').map((one) => one.trim())
  const term = op === '' ? { label, op: not ? 'absent' : 'exists' } : op === '=' || op === '!=' ? { label, op: op === '=' ? 'in' : 'not_in', values } : { label, op: op === '>=' ? 'at_least' : 'at_most', value: rest.trim() === '' ? Number.NaN : Number(rest) }
  const parsed = LabelTerm.safeParse(term)
  if (!parsed.success || (not !== '' && op !== '')) throw new InvalidArgumentError(`"${text}" is not a condition. Write it such as zone=a,b or disk.gbps>=2 or !shared.`)
  return parsed.data
}

/** `example.org`, `*.example.org:8443`: where a job may connect to. Names of other alphabets become what name servers know them by. */
export function parseEgress(text: string): EgressRule {
  const [, star = '', name = '', port] = /^(\*\.)?([^:/@\s]+)(?::(\d{1,5}))?$/.exec(text.trim()) ?? []
  const host = `${star}${/^[\x21-\x7e]*$/.test(name) ? name.toLowerCase() : domainToASCII(name)}`
  const parsed = EgressRule.safeParse({ host, ...(port === undefined ? {} : { port: Number(port) }) })
  if (!parsed.success) throw new InvalidArgumentError(`"${text}" is not a host to connect to: ${parsed.error.issues[0]?.message ?? ''}. Write it such as example.org, *.example.org or example.org:8443.`)
  return parsed.data
}

/** For options that may be given several times. */
export const collect = <T>(parse: (text: string) => T) => (text: string, before: readonly T[] | undefined): T[] => [...(before ?? []), parse(text)]
export const asIs = (text: string): string => text
/** Of what an admin does to somebody else's. */
export const REASON = ['--reason <text>', 'why, where it is somebody else’s; it stands in the log, and its owner sees it', asIs] as const
