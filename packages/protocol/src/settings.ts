import { z } from 'zod'
import { Instant, UserId } from './ids.ts'
import { Reason } from './incident.ts'
import { Amount, formatCredits, parseCredits } from './money.ts'

// What operators may change while the market runs: each with its schema, what it is where nobody has set it, its unit, and what it does. Whatever is not here
// is decided when the server is started.

/** How its value is written, by people and on screens: hundredths of a percent as `4.5%`, micro-credits as credits, a pause as the sentence that people are told (empty: open). */
export type SettingKind = 'percent' | 'credits' | 'version' | 'rate' | 'pause'
type Setting<Schema extends z.ZodType> = { readonly schema: Schema; readonly default: z.infer<Schema>; readonly kind: SettingKind; readonly unit: string; readonly title: string; readonly says: string }
const setting = <Schema extends z.ZodType>(one: Setting<Schema>): Setting<Schema> => one
const rate = (least: number, each: number, title: string, says: string) => setting({ schema: z.number().int().min(least).max(1_000_000), default: each, kind: 'rate', unit: 'requests a minute', title, says: `${says} At least ${least}, so that nobody is locked out.` })
/** Shown to everybody: no control characters, and no marks that turn the direction of writing. */
const Sentence = z.string().trim().max(200).regex(/^[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*$/, 'one line, without control characters')

export const SETTINGS = {
  fee: setting({ schema: z.number().int().min(0).max(5_000, 'at most 50 %'), default: 500, kind: 'percent', unit: 'hundredths of a percent', title: 'Fee', says: 'What the market keeps of a bill. For quotes and jobs from now on: a quote that binds and a job that was submitted keep theirs.' }),
  topupMax: setting({ schema: Amount, default: '1000000000000', kind: 'credits', unit: 'micro-credits', title: 'Largest top-up with demo credits', says: 'Of one request. 0: no demo credits are given. Where the server was started without them, this changes nothing.' }),
  depositMax: setting({ schema: Amount, default: '1000000000', kind: 'credits', unit: 'micro-credits', title: 'Largest deposit', says: 'Money that came in outside of the market, as one admin may book it. 0: none is booked.' }),
  agentVersionMin: setting({ schema: z.string().regex(/^\d{1,4}\.\d{1,4}\.\d{1,4}$/, 'a version such as 1.2.0'), default: '0.0.0', kind: 'version', unit: 'version', title: 'Oldest agent', says: 'Older agents get no new work and are refused at the door; they and their sellers are told what to do. One that has work goes on with it, and is refused when it comes back without any.' }),
  newJobsPaused: setting({ schema: Sentence, default: '', kind: 'pause', unit: 'sentence', title: 'New jobs', says: 'A sentence pauses them: whoever submits is refused and reads it. What was submitted goes on. Empty: open.' }),
  signUpsPaused: setting({ schema: Sentence, default: '', kind: 'pause', unit: 'sentence', title: 'Sign-ups', says: 'A sentence pauses them: whoever signs up is refused and reads it. Empty: open.' }),
  callerRate: rate(60, 6_000, 'Requests of one caller', 'Over all keys, sessions and addresses of a user, or of a node.'),
  addressRate: rate(30, 600, 'Requests of one address', 'Of who is not signed in.'),
  signInRate: rate(5, 60, 'Sign-ins of one address', 'Wrong passwords, and agents that enrol, count too.'),
  signUpRate: rate(1, 20, 'Sign-ups of one address', 'Each costs a tenth of a second of one core.'),
  quoteRate: rate(10, 240, 'Quotes of one caller', 'The form asks anew when it has rested for 300 ms.'),
} as const
export type SettingName = keyof typeof SETTINGS
export const SETTING_NAMES = Object.keys(SETTINGS) as [SettingName, ...SettingName[]]
export type SettingValues = { readonly [Name in SettingName]: z.infer<(typeof SETTINGS)[Name]['schema']> }

const shape = Object.fromEntries(SETTING_NAMES.map((name) => [name, SETTINGS[name].schema])) as { [Name in SettingName]: (typeof SETTINGS)[Name]['schema'] }
/** Only those that were set; a null takes one back to what it is where nobody has set it. */
const set = Object.fromEntries(SETTING_NAMES.map((name) => [name, z.union([SETTINGS[name].schema, z.null()]).optional()])) as unknown as { [Name in SettingName]: z.ZodOptional<z.ZodNullable<(typeof SETTINGS)[Name]['schema']>> }

export const Settings = z.object({
  /** Grows by one with each change; 0: nobody has changed anything. */
  version: z.number().int(), values: z.object(shape), defaults: z.object(shape), changedAt: Instant.optional(), changedBy: UserId.optional(),
}).meta({ id: 'Settings' })
export type Settings = z.infer<typeof Settings>
/** `version` is the one that was looked at: when somebody else has changed something since, this changes nothing. */
export const ChangeSettings = z.strictObject({ version: z.number().int().min(0), set: z.strictObject(set).refine((values) => Object.keys(values).length > 0, 'name at least one'), reason: Reason }).meta({ id: 'ChangeSettings' })
export type ChangeSettings = z.infer<typeof ChangeSettings>
const Value = z.union([z.string(), z.number(), z.null()])
/** One change: what was there and what is there since; null: what it is where nobody has set it. */
export const SettingsVersion = z.object({ version: z.number().int(), at: Instant, by: UserId, byName: z.string(), reason: z.string(), changed: z.record(z.string(), z.object({ before: Value, after: Value })) }).meta({ id: 'SettingsVersion' })
export type SettingsVersion = z.infer<typeof SettingsVersion>

/** As people read it. */
export function showSetting(name: SettingName, value: string | number | null): string {
  const { kind } = SETTINGS[name]
  if (value === null) return 'not set'
  if (kind === 'percent') return `${Number(value) / 100} %`
  if (kind === 'credits') return `${formatCredits(BigInt(value))} credits`
  if (kind === 'version') return value === '0.0.0' ? 'any' : String(value)
  if (kind === 'rate') return `${value} a minute`
  return value === '' ? 'open' : `paused: ${value}`
}
/** What people type (`4%`, `12.5` credits, `1.2.0`, `open`), as a value; or what would have been right. */
export function readSetting(name: SettingName, text: string): { readonly value: string | number } | { readonly wrong: string } {
  const { kind, schema } = SETTINGS[name], typed = text.trim()
  const value = kind === 'percent' ? (/^\d{1,2}(\.\d{1,2})?\s?%?$/.test(typed) ? Math.round(Number.parseFloat(typed) * 100) : null)
    : kind === 'rate' ? (/^\d{1,7}$/.test(typed) ? Number(typed) : null)
    : kind === 'credits' ? (parseCredits(typed)?.toString() ?? null)
    : kind === 'version' ? (typed === 'any' ? '0.0.0' : typed)
    : typed === 'open' ? '' : typed
  const parsed = value === null ? null : schema.safeParse(value)
  if (parsed?.success) return { value: parsed.data }
  return { wrong: parsed?.error.issues[0]?.message ?? { percent: 'a percentage such as 4.5%', rate: 'a whole number', credits: 'an amount such as 100', version: 'a version such as 1.2.0', pause: 'a sentence, or open' }[kind] }
}
/** -1, 0 or 1: `1.10.0` comes after `1.9.2`. What is no version comes before all. */
export function compareVersions(a: string, b: string): number {
  const parts = (text: string): number[] => (/^(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:[-+].*)?$/.exec(text)?.slice(1, 4) ?? ['-1', '0', '0']).map(Number)
  const left = parts(a), right = parts(b), at = left.findIndex((part, i) => part !== right[i])
  return at === -1 ? 0 : Math.sign((left[at] as number) - (right[at] as number))
}
