// `lumaris members`, `use`, `--account` and `wallet auto-topup` against a real market.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { NewInvitation } from '@lumaris/protocol'
import { startMarket } from '../../../tests/start-market.ts'
import type { TestMarket } from '../../../tests/start-market.ts'
import { aShell } from './test-cli.ts'

let market: TestMarket
beforeAll(async () => { market = await startMarket() })
afterAll(() => market.stop())
const PASSWORD = 'seven green bottles'
/** Somebody who has signed in on a machine of his own. */
async function person(name: string) {
  const shell = aShell({ LUMARIS_URL: market.url }), email = `${name}@example.test`
  const ran = await shell.cli(['login', '--register', '--email', email, '--name', name], { stdin: `${PASSWORD}\n` })
  expect(ran.code, ran.stderr).toBe(0)
  return { ...shell, email }
}

test('invited, accepted, acting by --account and by use, limited, changed, removed', async () => {
  const olga = await person('olga'), ida = await person('ida')
  await olga.cli(['topup', '10'])
  const invited = await olga.cli(['members', 'invite', ida.email, '--role', 'submitter', '--limit', '0.002', '--json'])
  expect(invited.code, invited.stderr).toBe(0)
  const { link, code } = JSON.parse(invited.stdout) as NewInvitation & { link: string }
  expect(link).toBe(`${market.url}/invitation#${code}`)
  expect((await olga.cli(['members', 'list'], { tty: true, columns: 160 })).stdout).toMatch(/Invited[\s\S]*ida@example\.test/)
  expect((await ida.cli(['--account', olga.email, 'jobs'])).stderr).toContain('You work for no account called')
  expect(await ida.cli(['members', 'accept', link])).toMatchObject({ code: 0, stdout: expect.stringContaining('olga') })
  expect(await ida.cli(['members', 'accept', link])).toMatchObject({ code: 1, stderr: expect.stringContaining('wrong, used, taken back or over') })
  const submit = (...args: string[]) => ida.cli([...args, 'submit', '--no-fit', '--cap', '0.001', '--cpus', '900', '--', 'x'])
  expect(await submit('--account', olga.email)).toMatchObject({ code: 0 })
  expect((await ida.cli(['use', olga.email])).stderr).toContain('you act for olga, as submitter')
  expect((await ida.cli(['whoami', '--json'])).stdout).toMatch(/"actingFor"[\s\S]*"name": "olga"/)
  expect((await ida.cli(['use'])).stdout).toMatch(/olga\tolga@example\.test\tsubmitter\tyes/)
  expect((await submit()).code).toBe(0)
  expect(await submit()).toMatchObject({ code: 7, stderr: expect.stringContaining('monthly limit') })
  expect((await ida.cli(['jobs', '-q'])).stdout.trim().split('\n')).toHaveLength(2)
  expect((await ida.cli(['--account', 'self', 'jobs', '-q'])).stdout).toBe('')
  expect(await ida.cli(['topup', '1'])).toMatchObject({ code: 5, stderr: expect.stringContaining('Only the owner') })
  expect((await olga.cli(['members', 'list'])).stdout).toMatch(/ida\tida@example\.test\tsubmitter\t0\.002 of 0\.002/)
  expect((await olga.cli(['members', 'role', ida.email, '--role', 'viewer'])).code).toBe(0)
  expect((await submit()).code).toBe(5)
  expect((await olga.cli(['members', 'acts'])).stdout.split('\n').filter((line) => line.includes('\tida\tsubmitJob\t'))).toHaveLength(2)
  expect((await olga.cli(['members', 'remove', ida.email])).stderr).toContain('ida acts for this account no more')
  expect((await ida.cli(['jobs'])).code).toBe(3)
  expect((await ida.cli(['use', 'self'])).stderr).toContain('You act for yourself again')
  expect((await ida.cli(['jobs'])).code).toBe(0)
})

test('a wallet that is topped up by itself: set in parts, shown with its runs, off again', async () => {
  const { cli } = await person('sue')
  expect((await cli(['wallet', 'auto-topup'])).stdout).toContain('off')
  expect(await cli(['wallet', 'auto-topup', '--below', '5'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--monthly-most') })
  const set = await cli(['wallet', 'auto-topup', '--below', '5', '--add', '20', '--monthly-most', '100'], { tty: true, columns: 120 })
  expect(set.stdout, set.stderr).toMatch(/by 20\.00 credits when less than 5\.00 credits are available[\s\S]*20\.00 credits of at most 100\.00 credits[\s\S]*20\.00 credits added/)
  expect((await cli(['wallet', 'auto-topup', '--add', '30'])).stdout).toContain('by 30.00 credits')
  expect((await cli(['wallet', 'auto-topup', '--off'])).stdout).toContain('off')
  expect((await cli(['wallet'])).stdout).toContain('20.00')
})
