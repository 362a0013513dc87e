// The SDK in one page: a job with a file, its output as it comes, its results, and its receipts checked. Type-checked with everything else.
//   LUMARIS_URL=http://127.0.0.1:8080 LUMARIS_TOKEN=… node packages/sdk/example.ts data.csv
import { createClient, isLumarisError, verifyReceipt } from '@lumaris/sdk'

const client = createClient({ url: process.env['LUMARIS_URL'] ?? 'http://127.0.0.1:8080', token: process.env['LUMARIS_TOKEN'] })
const file = process.argv[2] ?? 'data.csv'

try {
  const { blob, size } = await client.upload(file)
  const job = await client.submit({ runtime: 'python', command: ['python3', '-c', `print(len(open("data.csv").read().splitlines()), "lines")`], inputs: [{ path: 'data.csv', blob, size }] })

  for await (const news of client.followJob(job.id)) {
    if (news.kind === 'log') process[news.stream].write(news.bytes)
    else process.stderr.write(`${news.event.type}: ${news.event.state}\n`)
  }

  for (const task of (await client.results(job.id)).tasks) {
    for (const result of task.files) await client.download(result.blob, `result-${task.task}-${result.path.replaceAll('/', '_')}`)
    const { ok, checks } = await verifyReceipt(await client.receipt(task.attempt))
    process.stderr.write(ok ? 'the receipt is right\n' : `${checks.filter((check) => !check.ok).map((check) => check.says).join('\n')}\n`)
  }
} catch (error) {
  if (isLumarisError(error, 'insufficient_funds')) process.stderr.write('top up first: lumaris topup 10\n')
  else throw error
}
