import type { Quote } from '@lumaris/protocol'
import { creditsOf } from './money.ts'

/** By this machine's clock, as people write it: `18:00`, or with the day when it is another one. */
export function clockText(at: number, now: number = Date.now()): string {
  const date = new Date(at), two = (part: number): string => String(part).padStart(2, '0')
  const time = `${two(date.getHours())}:${two(date.getMinutes())}`
  return date.toDateString() === new Date(now).toDateString() ? time : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`
}
/** A forecast is never sure. */
export const chanceText = (chance: number): string => (chance >= 0.99 ? 'above 99 %' : chance <= 0.01 ? 'below 1 %' : `about ${Math.round(chance * 100)} %`)

export const planFacts = ({ plan }: Quote): [string, string][] => (plan ? [
  ['in time', `${chanceText(plan.chance)}, as believed now`], ['as firm work', `about ${creditsOf(plan.firm)} from the start`], ['cheap room', plan.room === 0 ? 'no node takes interruptible work like this' : `${chanceText(plan.room)} when it is looked for`], ['firm from', `${clockText(plan.noReturnAt)} at the latest, without anything stored by then`],
] : [])
export const planLine = ({ plan }: Quote): string => (plan ? `; in time with a chance of ${chanceText(plan.chance)}, firm from ${clockText(plan.noReturnAt)} at the latest` : '')
