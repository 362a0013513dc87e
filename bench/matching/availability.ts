// B4: how well is it foreseen that a place stays? Forecasts "still up after H, given up now" for every step of the last 40 % of each spot trace, with everything
// before it known. Scored by Brier (mean square error) and by skill: 1 − Brier / Brier of the zone's long-run frequency.
import type { NodeId } from '@lumaris/protocol'
import { Availability } from '../../packages/domain/src/fleet/profile/availability.ts'
import { staysFor } from '../../packages/domain/src/fleet/profile/survival.ts'
import type { Part, PartResult, Table, Target } from './part.ts'
import { readSpot, upUntil } from './spot-zones.ts'
import type { SpotSet } from './spot-zones.ts'

const HOUR_MS = 3_600_000, DAY_MS = 24 * HOUR_MS
const HOURS = [1, 4, 12] as const
const TRAIN = 0.6
const SKILL_MIN = 0.12, SLOPE = [0.9, 1.1] as const
export const MAIN = 'spot/skypilot/availability/1-node/aws-02-15-2023'
/** Not looked at while the model was made. */
const UNSEEN = [
  'spot/skypilot/availability/1-node/aws-10-26-2022', 'spot/skypilot/availability/16-node/aws-08-27-2023',
  'spot/skypilot/preemption/1-node/aws-04-19-2023', 'spot/skypilot/preemption/4-node/aws-08-03-2023',
]
const MODELS = ['zone frequency', 'persistence', 'hour of day', 'fading rate (3 days)', 'age by zone', 'ours'] as const
type Model = (typeof MODELS)[number]

/** Sums over forecasts: enough for Brier, skill and the slope of outcome against forecast. */
class Score {
  n = 0; square = 0; p = 0; y = 0; pp = 0; py = 0
  add(p: number, y: number): void { this.n++; this.square += (p - y) ** 2; this.p += p; this.y += y; this.pp += p * p; this.py += p * y }
  get brier(): number { return this.square / this.n }
  get slope(): number { return (this.py - (this.p * this.y) / this.n) / (this.pp - (this.p * this.p) / this.n) }
}
type Counts = Map<string, { seen: number; stayed: number }>
const share = (counts: Counts, key: string, prior: number, strength: number): number => {
  const count = counts.get(key)
  return count ? (count.stayed + strength * prior) / (count.seen + strength) : prior
}
const count = (counts: Counts, key: string, stayed: boolean): void => {
  const old = counts.get(key) ?? { seen: 0, stayed: 0 }
  counts.set(key, { seen: old.seen + 1, stayed: old.stayed + (stayed ? 1 : 0) })
}
/** Nodes of a trace need ids that the domain takes; any text does. */
export const nodeOf = (name: string): NodeId => name as NodeId

/** One series with every model, each learning only from what was over before the step it forecasts. */
function replay(set: SpotSet): Record<Model, Score[]> {
  const { gapMs, places } = set
  const scores = Object.fromEntries(MODELS.map((model) => [model, HOURS.map(() => new Score())])) as Record<Model, Score[]>
  const until = places.map(({ up }) => upUntil(up)), steps = HOURS.map((hours) => Math.round((hours * HOUR_MS) / gapMs))
  const tables = HOURS.map((): Counts => new Map()), pool = new Availability()
  const born = places.map(() => 0), upTime = places.map(() => 1), ends = places.map(() => 1 / 24) // fading counts: one departure a day to begin with
  const fade = 0.5 ** (gapMs / (3 * DAY_MS)), length = Math.max(...places.map(({ up }) => up.length))
  const keys = (i: number, t: number): string[] => [`z${places[i]?.site}`, `h${places[i]?.site} ${Math.floor(((t * gapMs) % DAY_MS) / HOUR_MS)}`, `a${places[i]?.site} ${Math.floor(Math.log2(t - (born[i] as number) + 1))}`]
  const asked = places.map(() => new Map<number, string[]>())
  for (let t = 0; t < length; t++) {
    places.forEach(({ up, site, name }, i) => {
      if (t === up.length) pool.forget(nodeOf(name))
      if (t >= up.length) return
      if (t > 0 && up[t] === 1 && up[t - 1] === 0) born[i] = t
      if (t > 0 && up[t] === 0 && up[t - 1] === 1) (ends[i] as number) += 1
      ends[i] = (ends[i] as number) * fade
      upTime[i] = (upTime[i] as number) * fade + (up[t] === 1 ? gapMs / HOUR_MS : 0)
      pool.saw(nodeOf(name), site, up[t] === 1, t * gapMs)
      if (up[t] === 1) asked[i]?.set(t, keys(i, t))
    })
    places.forEach(({ up, name }, i) => {
      const train = Math.floor(TRAIN * up.length)
      HOURS.forEach((hours, k) => {
        const h = steps[k] as number, s = t - h - 1, table = tables[k] as Counts
        for (const key of asked[i]?.get(s) ?? []) if (key[0] !== 'z' || t < train) count(table, key, (until[i]?.[s] as number) > s + h) // the frequency of a zone is that of the training part
        if (t < train || t + h >= up.length || up[t] === 0) return
        const stays = (until[i]?.[t] as number) > t + h ? 1 : 0, [zone, hour, age] = keys(i, t) as [string, string, string]
        const frequency = share(table, zone, 0.5, 1)
        const outlook = pool.outlook(nodeOf(name), t * gapMs)
        const say: Record<Model, number> = {
          'zone frequency': frequency, persistence: 1, 'hour of day': share(table, hour, frequency, 50), 'age by zone': share(table, age, frequency, 50),
          'fading rate (3 days)': Math.exp((-hours * (ends[i] as number)) / (upTime[i] as number)), ours: outlook ? staysFor(outlook, hours * HOUR_MS) : frequency,
        }
        for (const model of MODELS) scores[model][k]?.add(say[model], stays)
      })
      asked[i]?.delete(t - (steps.at(-1) as number) - 1)
    })
  }
  return scores
}

const skill = (scores: Record<Model, Score[]>, model: Model, k: number): number => 1 - (scores[model][k] as Score).brier / (scores['zone frequency'][k] as Score).brier
const signed = (x: number): string => (Number.isFinite(x) ? `${x < 0 ? '−' : '+'}${Math.abs(x).toFixed(3)}` : '–')

const NOTES: readonly string[] = [
  'Constants were chosen by the window from 35 % to 60 % of the first series; the results on its last 40 % were seen while the form of the model was chosen, so the first table flatters. The second table has series that were not looked at; it holds losses too.',
  'Tried for the targets: tables alone (age × share of the day, pooled and by zone) +0.09 / +0.12 / +0.12, the line alone +0.12 / +0.14 / +0.09, learned weights of the mix (overfit at 12 h: +0.07), a fading share instead of the exact day (−0.02), shares of 3 and 7 days, rate of the last 6 h, hour of day (nothing). How many neighbours are up is worth +0.008 at 4 h and 12 h.',
  'A question counts when its horizon is over. Asking at the moment a place comes up oversamples young places and costs 0.01 in skill at 1 h.',
  'The one-place series are read as their README says (1 = to be had); the row "0 = up" shows the other reading.',
]

export const availability: Part = {
  id: 'B4', title: 'Availability forecast', needs: [MAIN, ...UNSEEN],
  async run({ traces, quick, progress }): Promise<PartResult> {
    if (traces === null) throw new Error('B4 needs the spot traces: give their folder with --traces')
    const inputs: { file: string; sha256: string }[] = []
    const measure = (folder: string, invert = false) => {
      progress(`B4: ${folder}${invert ? ' (read the other way round)' : ''}`)
      const set = readSpot(traces, folder, invert)
      if (!invert) inputs.push(...set.inputs.map(({ file, sha256 }) => ({ file, sha256 })))
      return replay(set)
    }
    const main = measure(MAIN)
    const rows = MODELS.map((model) => [model, ...HOURS.map((_, k) => (main[model][k] as Score).brier.toFixed(4)), ...HOURS.map((_, k) => signed(skill(main, model, k))), ...HOURS.map((_, k) => (model === 'persistence' ? '–' : (main[model][k] as Score).slope.toFixed(2)))])
    const tables: Table[] = [{ title: `Brier, skill and calibration slope on ${MAIN.split('/').at(-1)}, last 40 %`, columns: ['model', ...HOURS.map((h) => `Brier ${h} h`), ...HOURS.map((h) => `skill ${h} h`), ...HOURS.map((h) => `slope ${h} h`)], rows }]
    if (!quick) {
      const others = [...UNSEEN.map((folder) => [folder, measure(folder)] as const), [`${MAIN} (0 = up)`, measure(MAIN, true)] as const]
      tables.push({
        title: 'The same model on other series; nothing was chosen by them', columns: ['series', 'forecasts (12 h)', ...HOURS.map((h) => `age by zone ${h} h`), ...HOURS.map((h) => `ours ${h} h`), ...HOURS.map((h) => `slope ${h} h`)],
        rows: others.map(([folder, scores]) => [folder.replace('spot/skypilot/', ''), (scores.ours[2] as Score).n, ...HOURS.map((_, k) => signed(skill(scores, 'age by zone', k))), ...HOURS.map((_, k) => signed(skill(scores, 'ours', k))), ...HOURS.map((_, k) => (scores.ours[k] as Score).slope.toFixed(2))]),
      })
    }
    const targets: Target[] = HOURS.flatMap((hours, k) => {
      const reached = skill(main, 'ours', k), { slope } = main.ours[k] as Score
      return [
        { what: `Brier skill at ${hours} h`, must: `≥ +${SKILL_MIN.toFixed(2)}`, measured: signed(reached), met: reached >= SKILL_MIN },
        { what: `calibration slope at ${hours} h`, must: `${SLOPE[0]} to ${SLOPE[1]}`, measured: slope.toFixed(2), met: slope >= SLOPE[0] && slope <= SLOPE[1] },
      ]
    })
    return { id: 'B4', title: 'Availability forecast', tables, targets, inputs, notes: NOTES }
  },
}
