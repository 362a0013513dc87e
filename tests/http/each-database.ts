// One scenario on a market of each database: SQL that both must answer alike.
import { postgresMissing, startPostgres } from '@lumaris/testkit'
import { test } from 'vitest'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

const missing = postgresMissing()
/** The market's own times: a busy machine must not look like a lost node. */
export const PATIENT = { settings: {}, disputeMs: 3_600_000 } as const

export function onEachDatabase(name: string, timeout: number, scenario: (market: TestMarket) => Promise<void>): void {
  test(name, { timeout }, async () => {
    const market = await startMarket({ server: PATIENT })
    try { await scenario(market) } finally { await market.stop() }
  })
  test.skipIf(Boolean(missing))(`${name}: the same on PostgreSQL${missing ? ` (${missing})` : ''}`, { timeout }, async () => {
    const postgres = await startPostgres(), market = await startMarket({ server: { ...PATIENT, databaseUrl: await postgres.createDatabase() } })
    try { await scenario(market) } finally { await market.stop(); await postgres.stop() }
  })
}
