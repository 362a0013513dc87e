// I28: no result of a job with assurance is accepted on less evidence than its bound asks for. Owners' records are counted here from the results alone, and
// the rule is written down a second time, from docs/adr/0013: a mistake in the domain's own would otherwise be in both. What the domain keeps as
// its records must be the same.
import type { AttemptRow, ForfeitRow, JobRow, LessonRow, TaskRow } from '@lumaris/domain'
import type { JobSpec, UserId } from '@lumaris/protocol'
import { REFEREE_NO, canonical } from '@lumaris/protocol'
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
    if (row.referee) { this.#compared(before, row); return }
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
    // Who delivered is paid when the buyer's command is of no use, and nothing was shown.
    if (row.cause === 'referee_failed') { if (one.wrong.length > 0) this.#world.fail('I45', `somebody is blamed in ${key} although the command broke`, [row.job]); return }
    if (one.right.length === 0) return // undecided: nobody was shown to be wrong
    this.#count(one)
    for (const { seller } of [...one.right, ...one.wrong]) {
      const mine = this.#of(seller), kept = this.#kept.get(seller) ?? { valid: 0, wrong: 0 }
      if (mine.valid !== kept.valid || mine.wrong !== kept.wrong) this.#world.fail('I28', `${seller} has shown ${mine.valid} right and ${mine.wrong} wrong, the market keeps ${kept.valid} and ${kept.wrong}`, [row.job])
    }
    if (spec?.compare?.kind === 'command') this.#agreed(one, spec, row)
    if (!spec?.assurance) return
    const lack = this.#lack(one, spec.assurance, spec, row)
    if (lack) this.#world.fail('I28', `the result of ${key} is accepted at ${spec.assurance}: ${lack}`, [row.job])
    saw(one.wrong.length > 0 ? 'audit disagreed' : one.right.length > 1 ? 'audited' : 'accepted on trust')
  }

  /** Two admins called the judgement a mistake. */
  givenBack({ owner, record }: ForfeitRow): void { const mine = this.#of(owner); this.#shown.set(owner, { valid: mine.valid + record.valid, wrong: Math.max(0, mine.wrong - 1) }) }

  #of(owner: UserId): Shown { return this.#shown.get(owner) ?? { valid: 0, wrong: 0 } }

  #count({ stood, right, wrong }: Case): void {
    for (const { seller } of wrong) this.#shown.set(seller, { valid: 0, wrong: this.#of(seller).wrong + 1 })
    for (const { seller } of right) {
      const others = right.filter((other) => other.seller !== seller).map((other) => stood.get(other.seller) as Shown)
      if (others.length > 1 || others.some(proven)) this.#shown.set(seller, { ...this.#of(seller), valid: this.#of(seller).valid + 1 })
    }
  }

  /** Runs of the buyer's command that ended, by task. */
  readonly #runs = new Map<string, AttemptRow[]>()
  #compared(before: AttemptRow | undefined, row: AttemptRow): void {
    if (before?.state === row.state || (row.state !== 'valid' && !(row.state === 'ended' && row.cause === 'input_unavailable'))) return
    const key = `${row.job}.${row.task}`
    this.#runs.set(key, [...(this.#runs.get(key) ?? []), row])
    this.#world.saw(row.exitCode === 0 ? 'referee said yes' : row.exitCode === REFEREE_NO ? 'referee said no' : 'referee broke')
  }
  /** I45: what counts together was said to be the same, or is to the byte; and who is blamed was set apart by two owners' runs, or by other bytes where there is nothing to run the command on. */
  #agreed({ right, wrong }: Case, spec: JobSpec, { job, index }: TaskRow): void {
    const runs = this.#runs.get(`${job}.${index}`) ?? [], about = (a: AttemptRow, b: AttemptRow) => runs.filter(({ referee }) => (referee?.of === a.id && referee.with === b.id) || (referee?.of === b.id && referee.with === a.id))
    if (spec.compare?.kind === 'command' && spec.compare.says === 'right') return
    const bytes = (attempt: AttemptRow): string => vote({ ...attempt, digest: attempt.files.length > 0 ? null : attempt.digest }), reached = new Set(right.slice(0, 1))
    for (let found = true; found;) { found = false; for (const one of right) if (!reached.has(one) && [...reached].some((other) => bytes(one) === bytes(other) || about(one, other).some(({ exitCode }) => exitCode === 0))) { reached.add(one); found = true } }
    if (reached.size < right.length) this.#world.fail('I45', `results of ${job}.${index} count together, and nobody said that they are the same`, [job])
    const isShown = ({ exitCode, files }: AttemptRow): boolean => exitCode === 0 && files.length > 0
    for (const one of wrong.filter(isShown)) {
      const noes = right.filter(isShown).map((other) => about(one, other).filter(({ exitCode }) => exitCode === REFEREE_NO).length)
      // Equal to the byte to one that was set apart is set apart with it.
      if (right.some(isShown) && Math.max(...noes) < 2 && !wrong.some((other) => other !== one && bytes(other) === bytes(one)) && !wrong.some((other) => about(one, other).some(({ exitCode }) => exitCode === 0))) this.#world.fail('I45', `${one.id} is blamed by the word of fewer than two`, [one.id, job])
    }
  }
  /** I45: only after two owners' runs said nothing; and all who had delivered are paid. */
  failed(job: JobRow, task: TaskRow, attempts: readonly AttemptRow[]): void {
    const own = attempts.filter((attempt) => attempt.task === task.index), runs = this.#runs.get(`${job.id}.${task.index}`) ?? []
    const broken = Map.groupBy(runs.filter(({ exitCode }) => exitCode !== 0 && exitCode !== REFEREE_NO), ({ referee }) => `${referee?.of} ${referee?.with}`)
    if (![...broken.values()].some((all) => new Set(all.map(({ seller }) => seller)).size > 1)) this.#world.fail('I45', `${job.id}.${task.index} fails by its command, which broke with fewer than two owners`, [job.id])
    if (own.some(({ state, referee }) => !referee && state === 'invalid')) this.#world.fail('I45', `${job.id}.${task.index} fails by its command, and somebody is not paid`, [job.id])
    this.#world.saw('referee failed')
  }

  #lack({ stood, right: results, wrong }: Case, bound: NonNullable<JobSpec['assurance']>, spec: JobSpec, { job, index }: TaskRow): string | null {
    // Who ran the command on the only result, and said that it is right, counts as a copy that agrees; but not where there was a doubt.
    const runs = spec.compare?.kind === 'command' && spec.compare.says === 'right' ? (this.#runs.get(`${job}.${index}`) ?? []).filter(({ exitCode }) => exitCode === 0 || exitCode === REFEREE_NO) : []
    const doubted = runs.some(({ exitCode }) => exitCode === REFEREE_NO), right = [...results, ...(doubted || wrong.length > 0 ? [] : runs)]
    for (const { seller } of right) if (!stood.has(seller)) stood.set(seller, this.#of(seller))
    if (doubted && results.length < 3) return `${results.length} results against a no`
    const owners = [...new Set(right.map(({ seller }) => seller))]
    if (owners.length < right.length) return 'one owner counts twice'
    if (spec.compare?.kind !== 'command' && new Set(right.map(vote)).size > 1) return 'the results that count differ'
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
