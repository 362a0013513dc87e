// A gigabyte of the sample's table over four agents with real sandboxes on this machine, one of them killed in the middle; beside it one process that does the same.
// The server's memory is read all the while.
import { createHash } from 'node:crypto'
import { createReadStream, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { PART, SUM, processes } from '../../tests/split/processes.ts'

const MIB = 1024 * 1024
export type RealResult = { readonly report: string; readonly right: boolean; readonly figures: Record<string, unknown> }

function memoryOf(pid: number | undefined): number {
  const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  return Number(match?.[1]) * 1024
}
async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const bytes of createReadStream(path)) hash.update(bytes as Buffer)
  return hash.digest('hex')
}

export async function real({ bytes, tell }: { bytes: number; tell: (line: string) => void }): Promise<RealResult> {
  const all = await processes()
  try {
    await all.startServer()
    await Promise.all(['a', 'b', 'c', 'd'].map((name) => all.startAgent(name, 1000)))
    tell(`writing ${Math.round(bytes / MIB)} MiB`)
    const input = all.writeInput('big.csv', bytes), size = statSync(input).size
    tell('one process')
    const fromAlone = performance.now(), expected = all.alone(input), aloneMs = performance.now() - fromAlone
    const idle = memoryOf(all.server.pid)
    let most = idle
    const meter = setInterval(() => { most = Math.max(most, memoryOf(all.server.pid)) }, 50)
    try {
      tell('four agents')
      const from = performance.now()
      const run = all.cli(['map', '--input', 'big.csv', '--by', 'records', '--retries', '20', '--runtime', all.runtime, '--cpus', '0.5', '--disk', '1GiB', '--file', `${PART}=part.py`, '--file', `${SUM}=sum.py`, '--reduce', 'python3 sum.py', '--output', 'sums.csv', '--', 'python3', 'part.py'])
      const id = await new Promise<string>((resolve, reject) => {
        const look = (): void => { const found = /--resume (job_\w+)/.exec(run.text())?.[1]; if (found) { clearInterval(timer); resolve(found) } }
        const timer = setInterval(look, 50)
        void run.exit.then((code) => { clearInterval(timer); reject(new Error(`the map ended early (${code}): ${run.text()}`)) })
      })
      const uploadedMs = performance.now() - from
      let done = 0
      for await (const event of all.client().watch(id)) {
        if (event.type === 'task' && event.state === 'done') done++
        if (done < 3 || event.type !== 'attempt' || event.state !== 'running') continue
        const agent = [...all.agents.values()].find((one) => one.nodeId === event.node)
        if (agent) { await all.kill(agent.child); tell('an agent was killed'); break }
      }
      const code = await run.exit, mapMs = performance.now() - from
      if (code !== 0) throw new Error(run.text())
      // The bytes themselves, put together again: every record through a sandbox and back.
      tell('the same input, copied through the sandboxes')
      const fromCopy = performance.now()
      const copy = all.cli(['map', '--input', 'big.csv', '--by', 'records', '--retries', '20', '--runtime', all.runtime, '--cpus', '0.5', '--disk', '1GiB', '--merge', 'csv', '--output', 'copy.csv', '--', 'python3', '-c', 'import sys, shutil; shutil.copyfileobj(open(sys.argv[1], "rb"), sys.stdout.buffer)'])
      const copyCode = await copy.exit, copyMs = performance.now() - fromCopy
      if (copyCode !== 0) throw new Error(copy.text())
      const equal = readFileSync(join(all.dir, 'sums.csv'), 'utf8') === expected, same = (await hashOf(join(all.dir, 'copy.csv'))) === (await hashOf(input))
      const client = all.client(), job = await client.job(id), lost: string[] = []
      for await (const attempt of client.attempts(id)) if (attempt.cause === 'seller_offline') lost.push(attempt.id)
      const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`, mib = (value: number): string => `${(value / MIB).toFixed(0)} MiB`
      const figures = { bytes: size, parts: job.tasks.total, equal, same, aloneMs, uploadedMs, mapMs, copyMs, idleBytes: idle, mostBytes: most, lost: lost.length }
      return { figures, right: equal && same, report: `## In real processes

${mib(size)} of the sample's table (the years renamed), cut at its records into ${job.tasks.total} parts for four agents with real sandboxes (${all.runtime === 'native' ? 'bubblewrap' : 'Deno'}) on this one machine; one agent killed -9 in the middle. Its two cores also run the server, the client and the agents, so the times say what the way through the market costs, not what more machines give.

| | |
|---|---|
| one process, the same programs | ${seconds(aloneMs)} |
| split, uploaded, submitted | ${seconds(uploadedMs)} |
| split, four agents, reduced by jobs, result here | ${seconds(mapMs)} |
| attempts lost: with the killed agent, and whenever one was silent for 0.6 s (the tests' times) | ${lost.length}, billed 0 |
| result byte for byte that of one process | ${equal ? 'yes' : '**no**'} |
| every record through a sandbox and back, merged as CSV | ${seconds(copyMs)} |
| that is the input byte for byte | ${same ? 'yes' : '**no**'} |
| the server's memory: idle, most while all this ran | ${mib(idle)}, ${mib(most)} (+ ${mib(most - idle)}; bound: + 300 MiB) |
` }
    } finally { clearInterval(meter) }
  } finally { await all.stop() }
}
