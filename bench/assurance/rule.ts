// The rule alone, without a market around it, for the tighter bounds: a share of one in ten thousand needs more tasks than a market is run through in a
// minute. The domain's own functions decide; what is made up is who is asked first (anybody who may serve) and that everybody has room.
import type { Assurance, UserId } from '@lumaris/protocol'
import { NO_RECORD, confirms, createState, drawCheckers, enough, isProven, mayServe, riskOf } from '@lumaris/domain'
import type { OwnerRecord } from '@lumaris/domain'
import { aMarket, sha256 } from '../../packages/testkit/src/build.ts'
import { virtualChance } from '../../packages/testkit/src/virtual-chance.ts'
import { countTask, newCounts } from './count.ts'
import type { Counts } from './count.ts'
import { RIGHT, answerOf, caught, sellersOf } from './sellers.ts'
import type { Kind, Seller } from './sellers.ts'

export type RuleRun = { readonly sellers: number; readonly share: number; readonly kind: Kind; readonly bound: Assurance; readonly tasks: number; readonly goodFirst: number; readonly seed: number; /** What would be checked on top of what is enough is accepted first, and given out again in secret afterwards: ADR 35. */ readonly afterwards?: boolean }
/** Tasks at 1e-2 that come first and are not counted: the tighter bounds ask only who has a record. */
const WARM_UP = 4_000

export function runRule({ sellers: count, share, kind, bound, tasks, goodFirst, seed, afterwards = false }: RuleRun): Counts {
  const chance = virtualChance(seed, `rule ${kind} ${share} ${bound}`), sellers = sellersOf(count, share, kind, goodFirst), state = createState(), market = aMarket()
  const names = new Map(sellers.map((seller) => { const { id } = market.join(seller.name), row = market.state.nodes.get(id)!; state.nodes.set(id, row); return [seller, row.owner] as const }))
  const records = new Map<Seller, OwnerRecord>(), recordOf = (seller: Seller): OwnerRecord => records.get(seller) ?? NO_RECORD
  let counts = newCounts(), drawn = 0
  const keyed = (text: string): string => sha256(`secret ${seed} ${text}`)
  for (let number = -WARM_UP; number < tasks; number++) {
    if (number === 0) counts = newCounts()
    const asked: Assurance = number < 0 ? '1e-2' : bound, serving = sellers.filter((seller) => mayServe(recordOf(seller), asked))
    // As the market does at 1e-2: who has shown enough is asked first, since others cost their checks.
    const preferred = serving.filter((seller) => isProven(recordOf(seller))), from = asked === '1e-2' && preferred.length > 0 && chance.happens(0.9) ? preferred : serving
    if (from.length === 0) { counts.undecided++; continue }
    const answers: { seller: Seller; answer: string }[] = []
    let next: Seller | undefined = chance.pick(from)
    const first = next.done
    let accepted: string | null = null
    for (;;) {
      answers.push({ seller: next, answer: answerOf(next, { number, answers }, chance) })
      const groups = [...Map.groupBy(answers, ({ answer }) => answer).values()].map((members) => ({ members, records: members.map(({ seller }) => recordOf(seller)) }))
        .sort((a, b) => b.members.length - a.members.length || riskOf(a.records, asked) - riskOf(b.records, asked))
      const judged = groups.map((group) => group.records), judgement = enough(judged, asked, chance.next(), 0, false, chance.next())
      if (afterwards && accepted === null && judgement === 'more' && enough(judged, asked, 1, 0, false, 1) === 'enough') accepted = groups[0]!.members[0]!.answer
      const others = sellers.filter((seller) => mayServe(recordOf(seller), asked) && !answers.some((one) => one.seller === seller))
      if (judgement === 'more' && others.length > 0) {
        const may = drawCheckers({ keyed }, state, `${number} ${answers.length} ${drawn++}`), those = others.filter((seller) => may(names.get(seller) as UserId))
        next = chance.pick(those.length > 0 ? those : others)
        continue
      }
      const lies = answers.filter(({ answer }) => answer !== RIGHT)
      counts.cheats += lies.length
      if (judgement !== 'enough') { if (accepted === null) counts.undecided++; else countTask(counts, first, answers.length, accepted !== RIGHT); break }
      const right = groups[0]!.members, before = new Map(right.map(({ seller }) => [seller, recordOf(seller)]))
      for (const one of answers) {
        if (right.includes(one)) continue
        records.set(one.seller, { valid: 0, wrong: recordOf(one.seller).wrong + 1 })
        if (one.answer !== RIGHT) { counts.caught++; caught(one.seller) }
      }
      for (const one of right) if (confirms(right.filter((other) => other !== one).map(({ seller }) => before.get(seller) as OwnerRecord))) records.set(one.seller, { ...recordOf(one.seller), valid: recordOf(one.seller).valid + 1 })
      countTask(counts, first, answers.length, (accepted ?? right[0]!.answer) !== RIGHT)
      break
    }
  }
  return counts
}
