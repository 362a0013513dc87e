// What jobs made from templates took and cost: measured from five on, of one's own since it was saved, of the market's only where they ran what its card says.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { JobSpec } from '@lumaris/protocol'
import type { TemplateFigures } from '@lumaris/protocol'
import { aShell } from '../../apps/cli/src/test-cli.ts'
import { startMarket } from '../start-market.ts'
import type { TestMarket } from '../start-market.ts'

let market: TestMarket, later = 0
beforeAll(async () => { market = await startMarket({ agents: 1, server: { now: () => Date.now() + later } }) })
afterAll(() => market.stop())
const figures = async (key = market.buyer): Promise<TemplateFigures[]> => (await market.call(key, 'GET', '/v1/template-figures')).body.data
const run = async (spec: object, times: number): Promise<string[]> => { const ids: string[] = []; for (let i = 0; i < times; i++) { const { body } = await market.submit({ command: ['fake:sleep', '20'], ...spec }); await market.ended(body.id); ids.push(body.id) } return ids }
const save = (name: string): Promise<unknown> => market.call(market.buyer, 'PUT', `/v1/templates/${name}`, { spec: { command: ['fake:sleep', '20'] } })

test('of one’s own: from five that completed, and anew when it is saved again', async () => {
  await save('mine')
  await run({ template: 'mine' }, 4)
  await run({ template: 'mine', command: ['fake:exit', '1'] }, 3)
  expect(await figures()).toEqual([])
  await run({ template: 'mine' }, 1)
  const [found] = await figures()
  expect(found).toMatchObject({ name: 'mine', whose: 'own', jobs: 5, p50: expect.stringMatching(/^\d+$/) })
  expect(found?.p50Ms).toBeGreaterThanOrEqual(20)
  expect(found?.p90Ms).toBeGreaterThanOrEqual(found?.p50Ms ?? 0)
  const { cli } = aShell({ LUMARIS_URL: market.url, LUMARIS_TOKEN: market.buyer })
  expect((await cli(['template', 'list'])).stdout).toMatch(/^mine\t.*\t[\d.]+ m?s, [\d.]+ credits$/m)
  await save('mine')
  expect(await figures()).toEqual([])
})
test('of the market’s: of all buyers, what ran the very thing; another program under its name is none of them', async () => {
  const card = JobSpec.parse({ template: 'program', command: ['uname', '-a'], resources: { cpuMillis: 500, memoryBytes: 256 * 1024 ** 2 } })
  const ids = await run({ template: 'program', resources: card.resources }, 5)
  later += 31_000 // what is kept of the answer before
  expect((await figures()).filter(({ whose }) => whose === 'market')).toEqual([])
  // The fake driver has no such program: what ran is said to have been it.
  for (const id of ids) await market.app.db.transact([{ sql: 'UPDATE jobs SET spec = $1 WHERE id = $2', params: [JSON.stringify(card), id] }])
  later += 31_000
  const bob = await market.app.identity.register({ email: 'bob@test', password: 'a long password of bob', name: 'bob', roles: ['buyer'] })
  if ('refusal' in bob) throw new Error(bob.refusal)
  const key = await market.app.identity.createKey({ kind: 'user', userId: bob.id, roles: ['buyer'], scopes: 'all' }, { label: 'test', scopes: ['jobs:read'] })
  if ('refusal' in key) throw new Error(key.refusal)
  expect(await figures(key.secret)).toMatchObject([{ name: 'program', whose: 'market', jobs: 5 }])
  for (const other of [{ ...card, command: ['uname'] }, { ...card, resources: { ...card.resources, cpuMillis: 1000 } }]) {
    await market.app.db.transact([{ sql: 'UPDATE jobs SET spec = $1 WHERE id = $2', params: [JSON.stringify(other), ids[0] as string] }])
    later += 31_000
    expect(await figures(key.secret)).toEqual([])
  }
})
