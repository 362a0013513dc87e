// Running jobs that move between two agents, again and again: by gVisor, by QEMU through the market's store, and by QEMU from agent to agent while the program
// runs. Each job has a secret in its memory and a counter; the run counts only when both went on, in order and whole, and every move came to its end.
//   npm run bench:move -- [--rounds 10] [--only qemu-live]
import { loadavg } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Attempt } from '@lumaris/protocol'
import { createClient } from '@lumaris/sdk'
import { median } from '../figures.ts'
import { STEP_MS, attemptsOf, linesOf, missingFor, otherNode, secretJob, twoNodes } from '../../tests/checkpoints/rig.ts'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '10' }, only: { type: 'string' } } })
const rounds = Number(values.rounds)
const KINDS = [
  { name: 'gvisor', driver: 'gvisor', live: false }, { name: 'qemu-file', driver: 'qemu', live: false }, { name: 'qemu-live', driver: 'qemu', live: true },
] as const
/** On a busy machine a memory that goes through the store takes minutes. */
const WAIT_MS = 600_000
const HELD_LINES = 200
const ms = (numbers: readonly number[]): string => `median ${Math.round(median(numbers))} ms, ${Math.round(Math.min(...numbers))} to ${Math.round(Math.max(...numbers))}`

async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  for (const end = performance.now() + WAIT_MS; !await isSo(); await delay(20)) if (performance.now() > end) throw new Error(`${what}: not within ${WAIT_MS / 60_000} minutes`)
}

async function run({ name, driver, live }: typeof KINDS[number]): Promise<boolean> {
  const missing = await missingFor(driver)
  if (missing) { console.log(`${name}: skipped, ${missing}`); return true }
  const all = await twoNodes(driver)
  try {
    const countTo = 100 + rounds * (driver === 'qemu' ? 350 : 60), { id: job } = await all.client().submit(secretJob(driver, countTo))
    const totals: number[] = [], seller = createClient({ url: all.url, token: all.keys.seller }).api
    for (let round = 0; round < rounds; round++) {
      await until(async () => { const at = (await attemptsOf(all, job)).at(round); return at?.state === 'running' && at.usage.runMs > 500 }, `the attempt ${round + 1} of ${name}`)
      const at = (await attemptsOf(all, job)).at(-1), asked = performance.now()
      const params = { node: at?.node as Attempt['node'] }
      // What would go while it runs goes through the store when its node is emptied, as small as it is.
      if (live || driver === 'gvisor') await all.client().move(job, { to: otherNode(all, at?.node) as Attempt['node'] }); else await seller.drainNode({ params, body: {} })
      await until(async () => (await attemptsOf(all, job)).at(round + 1)?.state === 'running', `the move ${round + 1} of ${name}`)
      totals.push(performance.now() - asked)
      if (!live && driver === 'qemu') await seller.resumeNode({ params, body: {} })
    }
    const { job: ended } = await all.client().wait(job), attempts = await attemptsOf(all, job), said = await linesOf(all, attempts)
    const kinds = attempts.slice(0, -1).map(({ saved }) => saved?.kind), right = kinds.filter((kind) => kind === (live ? 'live' : 'memory')).length
    const isWhole = ended.state === 'completed' && said.length === countTo && said.every(({ n }, i) => n === i) && new Set(said.map(({ secret }) => secret)).size === 1
    // What was held back comes first in the next place: so it stood still somewhere among its first lines there.
    const gaps = said.map((line, i) => line.at - (said[i - 1]?.at ?? line.at) - STEP_MS), firsts = said.flatMap(({ attempt }, i) => (i > 0 && attempt !== said[i - 1]?.attempt ? [i] : []))
    const stood = firsts.map((i) => Math.max(...gaps.slice(i, i + HELD_LINES)))
    const bytes = attempts.flatMap(({ saved }) => (saved ? [saved.size] : []))
    console.log(`${name}: ${isWhole ? right : 0} of ${rounds} kept their secret and their count; asked until it runs there: ${ms(totals)}; program stood still: ${ms(stood)}; ${Math.round(median(bytes) / 2 ** 20)} MiB each`)
    if (!isWhole) console.log(`  ${ended.state}, ${said.length} of ${countTo} lines, ${new Set(said.map(({ secret }) => secret)).size} secrets; ${attempts.map(({ cause, detail }) => `${cause} ${detail ?? ''}`).join('; ')}`)
    return isWhole && right === rounds
  } finally { await all.stop() }
}

let good = true
for (const kind of KINDS) if (values.only === undefined || values.only.split(',').includes(kind.name)) good = await run(kind) && good
console.log(`load ${loadavg().map((load) => load.toFixed(1)).join(' ')}`)
process.exitCode = good ? 0 : 1
