// Is what has agreed so far enough for the error bound that was bought? Adaptive, as BOINC's replication is: who has shown little is always checked, who has
// shown much now and then, and whoever is found wrong begins again, with more to show. Pure: the draw comes from outside (draws.ts).
//
// What is assumed, and nothing more: at most one in five owners cheats; cheats may act in pairs that give the same wrong answer and take their checks
// from one another. Rings of three and more are not covered, nor one person with many accounts.
import { ASSURED_COPIES_MAX } from '@lumaris/protocol'
import type { Assurance } from '@lumaris/protocol'

/** Results of an owner, all its nodes together: right ones since the last wrong one, counted only where others confirmed them; and wrong ones ever. */
export type OwnerRecord = { readonly valid: number; readonly wrong: number }
export const NO_RECORD: OwnerRecord = { valid: 0, wrong: 0 }

const BOUND: Readonly<Record<Assurance, number>> = { '1e-2': 1e-2, '1e-4': 1e-4, '1e-6': 1e-6 }
/** A pair can agree on a lie. One in a hundred leaves room for what random checks catch later; the tighter bounds do not: there three owners are the least. */
const LEAST: Readonly<Record<Assurance, number>> = { '1e-2': 1, '1e-4': 3, '1e-6': 3 }
/** Where results differ, a pair may be lying: only three who agree outvote it. */
export const OUTVOTE = 3
const CHEATS = 0.2
/** Confirmed results before one may be accepted on trust: with ten, the belief in an error falls below one in a hundred. Each wrong one asks for ten times as many. */
const ALWAYS = 10, ALWAYS_MAX = 1000
/** However good a record is, one in fifty is checked: without it, somebody who has become a cheat is never found. */
const FLOOR = 0.02

/** What two agree on at 1e-2 is given to a third as often, before it counts: the lie of a pair is what no other check finds. More would cost more than the 1.15 results that the bound may (docs/adr/0035). */
const AGAIN = 0.03
/** How far what a lie loses must lie above what it gains, as they are expected: a check may meet a partner, and a bond may clear before it is needed. */
export const BOND_MARGIN = 1.5
/** What is taken for a lie, where there is so much: more than what the chance of a check is made for, because that costs no buyer a check, and a cheat that is lucky a few times more seldom comes out ahead (docs/adr/0035). */
export const TAKEN_MARGIN = 2
/** The chance of a check below which a lie would pay, given what the liar would be paid for it and what it has to lose. */
export const stakeShare = (price: bigint, bond: bigint): number => (price <= 0n ? 0 : Math.min(1, (BOND_MARGIN * Number(price)) / Number(price + bond)))

/** So many confirmed results until the first is accepted unchecked. */
export const alwaysChecked = ({ wrong }: OwnerRecord): number => Math.min(ALWAYS_MAX, ALWAYS * 10 ** Math.min(wrong, 3))
export const isProven = (record: OwnerRecord): boolean => record.valid >= alwaysChecked(record)
export const isDoubted = (record: OwnerRecord): boolean => record.wrong > 0 && !isProven(record)
/** The chance that a result is checked although it would be enough. */
export const checkShare = (record: OwnerRecord): number => (isProven(record) ? Math.max(alwaysChecked(record) / record.valid, FLOOR) : 1)

/**
 * The highest chance that the next result is wrong after so many confirmed ones, whatever the steady rate q of a cheat is: the greatest q·(1−q)^n, at
 * q = 1/(n+1), times the odds that there was a cheat at all. Who was found wrong has used up the benefit of those odds.
 */
export function errorOf({ valid, wrong }: OwnerRecord): number {
  const greatest = raised(valid / (valid + 1), valid) / (valid + 1)
  return wrong > 0 ? greatest : Math.min(CHEATS, (CHEATS / (1 - CHEATS)) * greatest)
}
/** By squaring: the same bits on every machine, which the built-in power does not promise. */
function raised(base: number, times: number): number {
  let result = 1
  for (let left = times, factor = base; left > 0; left = Math.floor(left / 2), factor *= factor) if (left % 2 === 1) result *= factor
  return result
}

/**
 * The chance that all who agree are wrong. A pair is wrong together as often as the better of the two; so of the worst way to pair them all up, every second
 * one counts, worst first (and the worst alone when the number is odd). For one in a hundred, three and more are taken for strangers: a pair among them
 * needs a stranger with the same lie, and the checkers are drawn.
 */
export function riskOf(group: readonly OwnerRecord[], bound: Assurance): number {
  const errors = group.map(errorOf).sort((a, b) => b - a), strangers = bound === '1e-2' && errors.length >= OUTVOTE
  return errors.reduce((risk, error, i) => (strangers || i % 2 === (errors.length - 1) % 2 ? risk * error : risk), 1)
}

export type Judgement = 'enough' | 'more' | 'undecided'
/**
 * `groups`: the records of the owners behind each different result, the group that leads first. `draw`: from 0 to 1, made after the newest result was
 * committed, and only known here. `stake`: the least chance of a check, for the sake of what whoever was asked first has to lose. `doubted`: the
 * buyer says that the result which leads is not the one that is known. `again`: from 0 to 1, made after two had agreed.
 */
export function enough(groups: readonly (readonly OwnerRecord[])[], bound: Assurance, draw: number, stake = 0, doubted = false, again = 1): Judgement {
  const [lead = [], ...others] = groups, asked = groups.reduce((sum, group) => sum + group.length, 0)
  if (suffices(lead, others, bound, draw, stake, doubted) && !(lead.length === 2 && again < AGAIN)) return 'enough'
  const left = ASSURED_COPIES_MAX[bound] - asked
  return left <= 0 || ((others.length > 0 || doubted) && lead.length + left < OUTVOTE) ? 'undecided' : 'more'
}
function suffices(lead: readonly OwnerRecord[], others: readonly (readonly OwnerRecord[])[], bound: Assurance, draw: number, stake: number, doubted: boolean): boolean {
  const [first] = lead
  if (!first || lead.length < LEAST[bound] || riskOf(lead, bound) > BOUND[bound]) return false
  if (others.length > 0 || doubted) return lead.length >= OUTVOTE && others.every((other) => other.length < lead.length)
  return lead.length > 1 || (isProven(first) && draw >= Math.max(checkShare(first), stake))
}

/** Whether the others who gave the same result make it count for an owner's record: two of them, or one who is proven. A pair cannot make a name for itself. */
export const confirms = (others: readonly OwnerRecord[]): boolean => others.length >= 2 || others.some(isProven)

/** Tighter bounds ask only owners who have shown something: of newcomers it would take more copies than the cap covers. */
export const mayServe = (record: OwnerRecord, bound: Assurance): boolean => bound === '1e-2' || isProven(record)

/** Checks that a result of this owner is expected to cost when it is the first one. The tighter bounds ask for the same number of copies of everybody who may serve them. */
export const checksOf = (record: OwnerRecord, bound: Assurance): number => (bound === '1e-2' ? checkShare(record) : 0)

/** Copies of a task to be expected when the first goes to any of these owners and the rest to one in their middle: in the mean, and for the worst of them. */
export function expectedCopies(owners: readonly OwnerRecord[], bound: Assurance): { mean: number; most: number } {
  const serving = owners.filter((owner) => mayServe(owner, bound))
  const middle = serving.toSorted((a, b) => errorOf(a) - errorOf(b))[Math.floor(serving.length / 2)] ?? { valid: ALWAYS, wrong: 0 }
  const copies = (serving.length > 0 ? serving : [middle]).map((first) => {
    const group = [first]
    while (group.length < ASSURED_COPIES_MAX[bound] && (group.length < LEAST[bound] || riskOf(group, bound) > BOUND[bound])) group.push(middle)
    return group.length === 1 ? 1 + checkShare(first) : group.length
  })
  return { mean: copies.reduce((sum, count) => sum + count, 0) / copies.length, most: Math.max(...copies) }
}
