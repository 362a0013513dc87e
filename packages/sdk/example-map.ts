// A map from a program: a table split at its records, parts as they are done, and one result. Type-checked with everything else.
//   LUMARIS_URL=http://127.0.0.1:7070 LUMARIS_TOKEN=… node packages/sdk/example-map.ts seattle-weather.csv
import { createClient, isLumarisError } from '@lumaris/sdk'

const client = createClient({ url: process.env['LUMARIS_URL'] ?? 'http://127.0.0.1:7070', token: process.env['LUMARIS_TOKEN'] })
const file = process.argv[2] ?? 'seattle-weather.csv'

const program = await client.upload(new URL('../../examples/sums/part.py', import.meta.url).pathname)
const map = await client.map({
  input: { by: 'csv', source: file, extension: '.csv' }, chunks: 4, runtime: 'python', command: ['python3', 'part.py'], inputs: [{ path: 'part.py', blob: program.blob, size: program.size }],
  merge: { kind: 'sum', by: ['month'] }, onFailure: 'finish',
})
process.stderr.write(`${map.job.id}: ${map.parts} parts; client.openMap('${map.job.id}') goes on with it from anywhere\n`)

for await (const part of map) process.stderr.write(`part ${part.part} ${part.state}${part.attempt ? ` on ${part.attempt.nodeName} in ${part.attempt.usage.runMs} ms` : ''}\n`)
try {
  const merged = await map.merge('sums.csv', { overwrite: true })
  process.stderr.write(`${merged.path}: ${merged.size} bytes, sha256 ${merged.sha256}\n`)
} catch (error) {
  if (!isLumarisError(error, 'parts_failed')) throw error
  process.stderr.write(`${error.message}; map.retry() repeats them\n`)
}
