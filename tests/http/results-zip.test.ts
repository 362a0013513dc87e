// Results as one zip: what a node that lies has told the market about its files does no harm where they are unpacked.
import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JobId, JobSpecInput } from '@lumaris/protocol'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket({ agents: 1 }) })
afterAll(() => market.stop())
async function ended(spec: JobSpecInput): Promise<JobId> {
  const { body } = await market.submit(spec)
  await market.ended(body.id)
  return body.id
}
const zipOf = async (job: JobId): Promise<Response> => fetch(`${market.url}/v1/jobs/${job}/results.zip`, { headers: { authorization: `Bearer ${market.buyer}` } })
async function namesIn(job: JobId): Promise<string[]> {
  const response = await zipOf(job), bytes = Buffer.from(await response.arrayBuffer()), path = join(market.dir, `${job}.zip`)
  expect([response.status, response.headers.get('content-type'), response.headers.get('content-length'), response.headers.get('content-disposition')]).toEqual([200, 'application/zip', String(bytes.length), `attachment; filename="${job}.zip"`])
  writeFileSync(path, bytes)
  return JSON.parse(execFileSync('python3', ['-c', 'import json, sys, zipfile\nz = zipfile.ZipFile(sys.argv[1])\nassert z.testzip() is None\nprint(json.dumps(z.namelist()))', path], { encoding: 'utf8' })) as string[]
}
/** As a node would have told it that keeps to no rule: its files have these names. */
async function renameFiles(job: JobId, paths: readonly string[]): Promise<void> {
  const rows = await market.app.db.query<{ id: string; doc: string }>('SELECT id, doc FROM attempts WHERE job = $1', [job])
  for (const { id, doc } of rows) { const row = JSON.parse(doc), [file] = row.files; await market.app.db.transact([{ sql: 'UPDATE attempts SET doc = $2 WHERE id = $1', params: [id, JSON.stringify({ ...row, files: paths.map((path) => ({ ...file, path })) })] }]) }
}

test('files of several tasks: a folder for each where they share a name', async () => {
  const job = await ended({ command: ['fake:write', 'out.txt', 'x', ';', 'fake:write', 'sub/one.txt', 'y'], tasks: [{ args: [] }, { args: [] }] })
  expect(await namesIn(job)).toEqual(['task-0/out.txt', 'task-0/sub/one.txt', 'task-1/out.txt', 'task-1/sub/one.txt'])
})
test('names that lead out, hidden files that nobody asked for, and names that mean something elsewhere', async () => {
  const job = await ended({ command: ['fake:write', 'out.txt', 'x'] })
  await renameFiles(job, ['../../.ssh/authorized_keys', '../up', '/etc/cron.d/x', '.bashrc', 'a/.git/hooks/pre-commit', 'C:\\x', 'nul', 'ok', 'OK', 'ok'])
  const names = await namesIn(job)
  // Of the same name there are two, so each is in the folder of its task.
  expect(names).toEqual(['etc/cron.d/x', 'C__x', '_nul', 'task-0/ok', 'OK', 'task-0/ok (2)'])
})
test('what was asked for by name is there, hidden or not', async () => {
  const job = await ended({ command: ['fake:write', 'out.txt', 'x'], outputs: ['.cache/*', 'out.txt'] })
  await renameFiles(job, ['.cache/a', '.bashrc', 'out.txt', 'other.txt'])
  expect(await namesIn(job)).toEqual(['.cache/a', 'out.txt'])
})
test('before the first result, and when a file is gone: a no, before a byte is sent', async () => {
  const { body: waits } = await market.submit({ command: ['x'], resources: { cpuMillis: 900_000 } }, { cap: '1000' })
  expect((await market.call(market.buyer, 'GET', `/v1/jobs/${waits.id}/results.zip`)).body).toMatchObject({ code: 'results_not_ready' })
  const job = await ended({ command: ['fake:write', 'gone.txt', 'this one goes'] }), [{ files: [{ blob }] }] = (await market.call(market.buyer, 'GET', `/v1/jobs/${job}/results`)).body.tasks
  rmSync(join(market.dir, 'server', 'blobs', blob.slice(0, 2), blob))
  expect((await market.call(market.buyer, 'GET', `/v1/jobs/${job}/results.zip`)).body).toMatchObject({ code: 'blob_not_found', detail: { path: 'gone.txt' } })
  const none = await ended({ command: ['fake:print', 'no file'] })
  expect(await namesIn(none)).toEqual([])
})
