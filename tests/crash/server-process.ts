// A server to be killed: node server-process.ts DIR PORT [DATABASE_URL]. Prints one JSON line when it is ready; the second start on the same
// directory finds the same people (their keys are new).
import { createLog, mailSettingsOf, seedDemo, startServer } from '@lumaris/server'
import { PATIENT, QUICK } from '../start-market.ts'

const [dataDir, port, databaseUrl] = process.argv.slice(2) as [string, string, string | undefined]
const server = await startServer({ dataDir, host: '127.0.0.1', port: Number(port), databaseUrl, settings: process.env['LUMARIS_TEST_PATIENT'] ? PATIENT : QUICK, rates: false, webhooks: { loopback: true }, mail: mailSettingsOf(process.env) ?? undefined, log: createLog(process.env['LOG'] ?? 'silent', 'server') })
const demo = await seedDemo(server.app)
process.stdout.write(`${JSON.stringify({ buyer: demo.buyer.key, admin: demo.admin.key, seller: demo.sellers[0]?.key })}\n`)
process.on('SIGTERM', () => { void server.stop().then(() => process.exit(0)) })
