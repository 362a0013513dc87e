import { formatCredits, parseMoney } from '@lumaris/protocol'

/** `0.0012`: for a column whose title says credits. */
export const amountOf = (money: string | bigint): string => formatCredits(typeof money === 'bigint' ? money : parseMoney(money))
/** `0.0012 credits`: for a sentence. */
export const creditsOf = (money: string | bigint): string => `${amountOf(money)} credits`
