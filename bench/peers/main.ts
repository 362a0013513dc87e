// Measures the job queues that Lumaris is compared with. See README.md here for what is measured and how fair it is.
//   node tools/run.mjs bench/peers/main.ts [--only NAME]... [--quick] [--rounds N] [--out FILE]
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { FULL, QUICK } from './load.ts'
import { PEERS, measureInRotation } from './peers.ts'
import { describeCommit, describeMachine, describeTable } from './report.ts'
import { stopAll } from './servers.ts'

const USAGE = `usage: node tools/run.mjs bench/peers/main.ts [--only NAME]... [--quick] [--rounds N] [--out FILE]
  --only NAME   measure this one; may be repeated. Names: ${PEERS.map((peer) => peer.name).join(', ')}
  --quick       small loads, one round: does it run, not how fast is it
  --rounds N    1 to 10; 3 unless said
  --out FILE    where the JSON goes; .lumaris/bench/peers.json unless said`
const ROUNDS_MAX = 10

function readOptions() {
  const { values } = parseArgs({ options: {
    only: { type: 'string', multiple: true, default: [] }, quick: { type: 'boolean', default: false }, rounds: { type: 'string' }, out: { type: 'string' }, help: { type: 'boolean', default: false },
  } })
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3))
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > ROUNDS_MAX) throw new Error(`--rounds wants a whole number from 1 to ${ROUNDS_MAX}`)
  const unknown = values.only.find((name) => !PEERS.some((peer) => peer.name === name))
  if (unknown !== undefined) throw new Error(`there is no peer ${unknown}`)
  const out = resolve(values.out ?? join(import.meta.dirname, '..', '..', '.lumaris', 'bench', 'peers.json'))
  return { peers: PEERS.filter((peer) => values.only.length === 0 || values.only.includes(peer.name)), load: values.quick ? QUICK : FULL, rounds, out, only: values.only.length > 0, help: values.help }
}

let interrupted = false
for (const [signal, status] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const) {
  process.on(signal, () => {
    if (interrupted) return
    interrupted = true
    process.stderr.write('peers: stopping the servers\n')
    void stopAll().finally(() => process.exit(status))   // the measuring process ends by itself when this one is gone
  })
}

let options
try {
  options = readOptions()
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`)
  process.exit(2)
}
if (options.help) { process.stdout.write(`${USAGE}\n`); process.exit(0) }

const { peers, load, rounds, out } = options
const machine = describeMachine()
const commit = describeCommit()
const results = await measureInRotation(peers, { load, rounds, progress: (line) => { if (!interrupted) process.stderr.write(`peers: ${line}\n`) } })
if (!interrupted) {
  const at = new Date().toISOString()
  mkdirSync(dirname(out), { recursive: true })
  writeFileSync(out, `${JSON.stringify({ what: 'peers', at, commit, machine, load, rounds, results }, null, 2)}\n`)
  process.stdout.write(`${[
    `${at.slice(0, 10)}, commit ${commit}, medians of ${rounds}. ${machine.cores} cores (${machine.cpu}), ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node ${machine.node}, `
      + `${machine.syncsPerSecond} synced writes/s, load average ${machine.loadAverage.toFixed(1)} before the run.`,
    '', describeTable(results, load), '', `Every round: ${out}`,
  ].join('\n')}\n`)
  // A peer that this machine cannot run is no fault of the run, unless it was asked for by name.
  process.exitCode = results.some((result) => result.failed !== undefined || (result.missing !== undefined && options.only)) ? 1 : 0
}
