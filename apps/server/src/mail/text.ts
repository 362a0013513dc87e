// What stands in a mail: plain text, and nothing that comes from strangers (names of nodes, jobs and people, words of operators) may become a header, a line of its own, a link or another
// direction of writing. So it is made one line first, cut, and what mail programs would make a link of is written so that they do not.
import { ALERT_WORDS, formatDuration } from '@lumaris/protocol'
import type { AlertKind } from '@lumaris/protocol'

export type Told = { readonly kind: AlertKind; readonly subject: string; readonly says: string; readonly at: number }
export type Ways = { readonly publicUrl: string; /** Where the link leads that stops them. */ readonly offUrl: string }
export type Text = { readonly subject: string; readonly text: string }

const SUBJECT_MAX = 120, SAYS_MAX = 600
/** Alerts of one mail that are written out; the inbox has all of them. */
const WRITTEN_MAX = 30

/** Control characters, everything that is not seen and steers what is, line separators, halves of characters: as one space. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}]+/gu
export function oneLine(text: string, most: number): string {
  const line = text.toWellFormed().replace(UNSEEN, ' ').replace(/\s+/gu, ' ').trim(), signs = Array.from(line)
  return signs.length <= most ? line : `${signs.slice(0, most - 1).join('').trimEnd()}…`
}
/** evil[.]example: nothing in a stranger's words is pressed by mistake. Figures (0.1.0, 5.25) and the ends of sentences stay as they are. */
export const unlinked = (text: string): string => text.replaceAll('://', '[:]//').replace(/(?<=[\p{L}\p{N}])\.(?=\p{L})/gu, '[.]').replaceAll('@', '[at]')

/** The screen that it is about. */
function placeOf({ kind, subject }: Told): string {
  if (kind === 'invited' || kind === 'member') return '/members'
  if (kind === 'budget' || kind === 'topup_limit') return '/wallet'
  if (kind === 'payout_failed') return '/earnings'
  if (kind === 'job_retried') return `/jobs/${encodeURIComponent(subject)}`
  return kind === 'mail_off' ? '/alerts' : `/nodes/${encodeURIComponent(subject)}`
}
const stamp = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
const block = (one: Told, { publicUrl }: Ways): string => `${ALERT_WORDS[one.kind]} (${stamp(one.at)})\n${oneLine(unlinked(one.says), SAYS_MAX)}\n${publicUrl}${placeOf(one)}`
const foot = ({ publicUrl, offUrl }: Ways): string => `\n\n-- \nThis market mails you alerts because you have asked for it.\nWhich ones: ${publicUrl}/alerts\nNo more of them: ${offUrl}\n`

export function alertText(alerts: readonly Told[], ways: Ways): Text {
  const [first] = alerts
  if (!first) throw new RangeError('a mail about nothing')
  if (alerts.length === 1) return { subject: oneLine(`${ALERT_WORDS[first.kind]}: ${unlinked(first.says)}`, SUBJECT_MAX), text: block(first, ways) + foot(ways) }
  const kinds = [...Map.groupBy(alerts, ({ kind }) => kind)].map(([kind, list]) => `${list.length} × ${ALERT_WORDS[kind]}`), left = alerts.length - WRITTEN_MAX
  return {
    subject: oneLine(`${alerts.length} alerts: ${kinds.join(', ')}`, SUBJECT_MAX),
    text: `${alerts.length} alerts since ${stamp(Math.min(...alerts.map(({ at }) => at)))}: ${kinds.join(', ')}.\n\n${alerts.slice(0, WRITTEN_MAX).map((one) => block(one, ways)).join('\n\n')}${left > 0 ? `\n\nAnd ${left} more: ${ways.publicUrl}/alerts` : ''}${foot(ways)}`,
  }
}
/** Nothing of whoever asked for it stands in it: it may be a stranger who typed this address. */
export const codeText = (code: string, validMs: number, { publicUrl, offUrl }: Ways): Text => ({
  subject: 'Your code for alerts by mail',
  text: `${code.slice(0, 4)} ${code.slice(4)}\n\nType this code at ${publicUrl}/alerts within ${formatDuration(validMs)}, and alerts of your account are mailed to this address.\nIf you have not asked for it, do nothing: without the code nothing is mailed.\n\n-- \nSomebody who signs in at ${publicUrl} with this address has asked for it.\nNo more codes to this address: ${offUrl}\n`,
})
export const testText = (ways: Ways): Text => ({ subject: 'A mail to try it', text: `Alerts of your account arrive at this address.\n${foot(ways)}` })
/** The code stands behind the #, which no browser sends. */
export const resetText = (code: string, validMs: number, { publicUrl }: Ways): Text => ({
  subject: 'Set a new password',
  text: `Open this within ${formatDuration(validMs)} to set a new password for your account:\n${publicUrl}/reset-password#${code}\n\nIt works once, and ends every session of the account.\nIf you have not asked for it, do nothing: your password stays as it is.\n\n-- \nSomebody asked for it at ${publicUrl} with this address.\n`,
})
export const changedText = (at: number, { publicUrl }: Ways): Text => ({
  subject: 'Your password was changed',
  text: `The password of your account was changed (${stamp(at)}), and whoever was signed in with the old one must sign in again. API keys go on working.\n\nIf it was not you, set a new one now: ${publicUrl}/forgot-password\nThen look through your API keys: ${publicUrl}/keys\n`,
})
