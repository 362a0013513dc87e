// I28: no result of a job with assurance is accepted on less evidence than its bound asks for. Owners' records are counted here from the results alone, and
// the rule is written down a second time, from docs/adr/0013: a mistake in the domain's own would otherwise be in both. What the domain keeps as
// its records must be the same.
import type { AttemptRow, LessonRow, TaskRow } from '@lumaris/domain'
import type { JobSpec, UserId } from '@lumaris/protocol'
import { canonical } from '@lumaris/protocol'
import type { World } from './world.ts'

type Shown = { valid: number; wrong: number }
/** A task that is being judged: as its owners stood before. */
type Case = { readonly stood: Map<UserId, Shown>; readonly right: AttemptRow[]; readonly wrong: AttemptRow[] }
const vote = ({ exitCode, digest, files }: AttemptRow): string => canonical({ exitCode, digest, files: files.map(({ path, blob }) => `${path} ${blob}`).toSorted() })

export class Evidence {
  readonly #world: World
  readonly #shown = new Map<UserId, Shown>()
  readonly #kept = new Map<UserId, Shown>()
  readonly #cases = new Map<string, Case>()

  constructor(world: World) { this.#world = world }

  judged(before: AttemptRow | undefined, row: AttemptRow): void {
    if (before?.state === row.state || (row.state !== 'valid' && row.state !== 'invalid')) return
    const key = `${row.job}.${row.task}`, one: Case = this.#cases.get(key) ?? { stood: new Map(), right: [], wrong: [] }
    const list = row.state === 'valid' ? one.right : one.wrong
    this.#cases.set(key, one)
    one.stood.set(row.seller, this.#of(row.seller))
    list.push(row)
  }
  learned(row: LessonRow): void { if (row.what === 'owner') this.#kept.set(row.key, { valid: row.valid, wrong: row.wrong }) }

  concluded(before: TaskRow | undefined, row: TaskRow): void {
    const key = `${row.job}.${row.index}`, one = this.#cases.get(key), { saw, db } = { saw: this.#world.saw.bind(this.#world), db: this.#world.db }
    if (!one || before?.state === row.state || (row.state !== 'done' && row.state !== 'failed')) return
    this.#cases.delete(key)
    const spec = db.jobs.get(row.job)?.spec
    if (one.right.length === 0) return // undecided: nobody was shown to be wrong
    this.#count(one)
    for (const { seller } of [...one.right, ...one.wrong]) {
      const mine = this.#of(seller), kept = this.#kept.get(seller) ?? { valid: 0, wrong: 0 }
      if (mine.valid !== kept.valid || mine.wrong !== kept.wrong) this.#world.fail('I28', `${seller} has shown ${mine.valid} right and ${mine.wrong} wrong, the market keeps ${kept.valid} and ${kept.wrong}`, [row.job])
    }
    if (!spec?.assurance) return
    const lack = this.#lack(one, spec.assurance)
    if (lack) this.#world.fail('I28', `the result of ${key} is accepted at ${spec.assurance}: ${lack}`, [row.job])
    saw(one.wrong.length > 0 ? 'audit disagreed' : one.right.length > 1 ? 'audited' : 'accepted on trust')
  }

  #of(owner: UserId): Shown { return this.#shown.get(owner) ?? { valid: 0, wrong: 0 } }

  #count({ stood, right, wrong }: Case): void {
    for (const { seller } of wrong) this.#shown.set(seller, { valid: 0, wrong: this.#of(seller).wrong + 1 })
    for (const { seller } of right) {
      const others = right.filter((other) => other.seller !== seller).map((other) => stood.get(other.seller) as Shown)
      if (others.length > 1 || others.some(proven)) this.#shown.set(seller, { ...this.#of(seller), valid: this.#of(seller).valid + 1 })
    }
  }

  #lack({ stood, right, wrong }: Case, bound: NonNullable<JobSpec['assurance']>): string | null {
    const owners = [...new Set(right.map(({ seller }) => seller))]
    if (owners.length < right.length) return 'one owner counts twice'
    if (new Set(right.map(vote)).size > 1) return 'the results that count differ'
    if (bound !== '1e-2' && owners.length < 3) return `${owners.length} owners`
    if (wrong.length > 0 && owners.length < 3) return `${owners.length} owners against ${wrong.length}`
    const errors = owners.map((owner) => error(stood.get(owner) as Shown)).toSorted((a, b) => a - b)
    // Worst first, every second of them, so that the last one counts: no way to pair them up gives more.
    const strangers = bound === '1e-2' && errors.length > 2
    const risk = errors.reduce((product, one, i) => (strangers || i % 2 === 0 ? product * one : product), 1)
    if (risk > Number(bound) * (1 + 1e-9)) return `the risk is ${risk}`
    if (owners.length > 1) return null
    const [only] = right as [AttemptRow], shown = stood.get(only.seller) as Shown
    if (!proven(shown)) return `${only.seller} has shown ${shown.valid} right results`
    const draw = Number(BigInt(`0x${this.#world.keyed(`check ${only.id} ${only.digest ?? ''}`).slice(0, 13)}`)) / 2 ** 52
    return draw < Math.max(0.02, needed(shown) / shown.valid) ? `it was drawn for a check (${draw})` : null
  }
}

const needed = ({ wrong }: Shown): number => [10, 100, 1000][Math.min(wrong, 2)] as number
const proven = (shown: Shown): boolean => shown.valid >= needed(shown)
const error = ({ valid, wrong }: Shown): number => Math.min(wrong > 0 ? 1 : 0.2, (wrong > 0 ? 1 : 0.25) * (valid ** valid / (valid + 1) ** (valid + 1)))
