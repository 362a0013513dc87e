// `lumaris serve` as an operator runs it: real processes, SQLite and PostgreSQL, ended and killed.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { createClient } from '@lumaris/sdk'
import { postgresMissing, startMailbox, startPostgres } from '@lumaris/testkit'
import { aFolder, aShell } from './test-cli.ts'

const BIN = fileURLToPath(new URL('../bin/lumaris.mjs', import.meta.url)), EMAIL = 'olga@example.org', PASSWORD = 'what olga knows 42'
type Open = { url: string; database: string; operated: boolean }
type Served = { readonly child: ChildProcess; readonly open: Promise<Open>; readonly told: () => string; tells: (part: string) => Promise<void>; end(signal?: NodeJS.Signals): Promise<number | null> }

function serve(data: string, more: readonly string[] = [], options: { stdin?: string; env?: Record<string, string> } = {}): Served {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', BIN, 'serve', '--port', '0', '--data', data, '--json-lines', ...more], { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...options.env } })
  onTestFinished(() => { child.kill('SIGKILL') })
  let told = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { told += text })
  child.stdin.end(options.stdin ?? '')
  const ended = once(child, 'exit')
  const open = (async () => {
    for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line) as Open
    await ended
    throw new Error(`it did not open: ${told}`)
  })()
  open.catch(() => undefined) // asked for only where it is expected to open
  return {
    child, open, told: () => told,
    tells: async (part) => { while (!told.includes(part)) await once(child.stderr, 'data') },
    end: async (signal = 'SIGTERM') => { child.kill(signal); await ended; return child.exitCode },
  }
}

test('a market opens without anybody in it, its first operator is made once, and gives no credits away', { timeout: 300_000 }, async () => {
  const data = aFolder()
  const first = serve(data, ['--operator', EMAIL], { stdin: `${PASSWORD}\n` })
  const { url, database, operated } = await first.open
  expect([database, operated]).toEqual(['sqlite', true])
  const nobody = createClient({ url })
  const { accessToken } = await nobody.api.login({ body: { email: EMAIL, password: PASSWORD } })
  const operator = createClient({ url, token: accessToken })
  expect((await operator.api.me()).roles).toEqual(['admin'])
  expect((await operator.api.listPeople({})).data.map(({ email }) => email)).toEqual([EMAIL])
  await nobody.api.register({ body: { email: 'bo@example.org', password: 'what bo knows 4711', name: 'Bo', roles: ['buyer'] } })
  const bo = createClient({ url, token: (await nobody.api.login({ body: { email: 'bo@example.org', password: 'what bo knows 4711' } })).accessToken })
  await expect(bo.api.createTopup({ body: { amount: '1000000', provider: 'demo' } })).rejects.toMatchObject({ code: 'topup_not_allowed' })
  // The file belongs to one server at a time; the second says so, and the first goes on.
  const second = serve(data)
  await expect(second.open).rejects.toThrow(/another Lumaris server is running/)
  expect(await second.end()).toBe(1)
  expect((await nobody.api.login({ body: { email: EMAIL, password: PASSWORD } })).accessToken).not.toBe('')
  expect(await first.end()).toBe(0)
  expect(first.told()).not.toContain(PASSWORD)

  const again = serve(data, ['--operator', 'eve@example.org'], { stdin: 'what eve knows 4711\n' })
  expect((await again.open).operated).toBe(true)
  const late = createClient({ url: (await again.open).url })
  await expect(late.api.login({ body: { email: 'eve@example.org', password: 'what eve knows 4711' } })).rejects.toMatchObject({ code: 'invalid_credentials' })
  expect(await again.end()).toBe(0)

  // Forgotten, in a market that sends no mail: whoever has the machine sets it anew.
  const anew = serve(data, ['--new-password', EMAIL.toUpperCase()], { stdin: 'what olga knows now 43\n' }), door = createClient({ url: (await anew.open).url })
  await expect(door.api.login({ body: { email: EMAIL, password: PASSWORD } })).rejects.toMatchObject({ code: 'invalid_credentials' })
  expect((await door.api.login({ body: { email: EMAIL, password: 'what olga knows now 43' } })).accessToken).not.toBe('')
  await expect(operator.api.me()).rejects.toThrow()
  expect([await anew.end(), anew.told().includes('what olga knows now')]).toEqual([0, false])
})

test('what keeps it from opening is one sentence, and leaves no operator behind', { timeout: 300_000 }, async () => {
  const shell = aShell()
  for (const [args, stdin, says] of [
    [['--operator', EMAIL], '\n', 'No password was given'],
    [['--operator', EMAIL, '--new-password', EMAIL], `${PASSWORD}\n`, 'One password is read at a start'],
    [['--new-password', EMAIL], `${PASSWORD}\n`, `Nobody has an account as ${EMAIL}`],
    [['--operator', EMAIL], 'olga\n', 'password'],
    [['--operator', 'olga'], '', '"olga" is no e-mail address'],
    [['--port', 'x'], '', 'x'],
    [['--trust-proxy', 'everybody'], '', 'everybody'],
    [['--database', 'postgres://127.0.0.1:1/none'], '', 'cannot reach the database'],
  ] as const) {
    const ran = await shell.cli(['serve', '--port', '0', '--data', 'data', '--log-level', 'silent', ...args], { stdin })
    expect([ran.code === 0, ran.stdout, ran.stderr]).toEqual([false, '', expect.stringContaining(says)])
  }
  const opened = await shell.cli(['serve', '--port', '0', '--data', 'data', '--log-level', 'silent'], { onWrite: (text, keys) => { if (text.includes('Nobody operates')) keys.interrupt() } })
  expect([opened.code, opened.stderr]).toEqual([0, expect.stringContaining('--operator')])
})

test('a mail server, from the environment: what is wrong with it ends the start and says what to change; its password stands nowhere', { timeout: 300_000 }, async () => {
  const box = await startMailbox({ login: { user: 'market', password: 'very-secret-4711' } }), good = { LUMARIS_SMTP_URL: box.url, LUMARIS_MAIL_FROM: 'alerts@market.example', LUMARIS_PUBLIC_URL: 'https://market.example' }
  onTestFinished(() => box.stop())
  for (const [wrong, says] of [
    [{ LUMARIS_SMTP_URL: 'mail.example very-secret-4711' }, 'LUMARIS_SMTP_URL does not begin with smtps:// or smtp://'], [{ LUMARIS_MAIL_FROM: 'market' }, 'LUMARIS_MAIL_FROM is no sender: write alerts@mail.example'], [{ LUMARIS_MAIL_FROM: '' }, 'set LUMARIS_MAIL_FROM too'], [{ LUMARIS_PUBLIC_URL: '' }, 'set LUMARIS_PUBLIC_URL too'],
    [{ LUMARIS_PUBLIC_URL: 'http://market.example' }, 'LUMARIS_PUBLIC_URL does not begin with https://'], [{ LUMARIS_SMTP_URL: box.url.replace('4711', '4712') }, 'refuses the user or the password of LUMARIS_SMTP_URL (535)'],
  ] as const) {
    const shell = aShell({ ...good, ...wrong }), ran = await shell.cli(['serve', '--port', '0', '--data', 'data', '--log-level', 'silent'])
    expect([ran.code === 0, ran.stdout, ran.stderr]).toEqual([false, '', expect.stringContaining(says)])
    expect(ran.stderr).not.toContain('very-secret')
  }
  const market = serve(aFolder(), ['--operator', EMAIL, '--log-level', 'trace'], { stdin: `${PASSWORD}\n`, env: good }), { url } = await market.open
  const title = readFileSync(`/proc/${market.child.pid}/cmdline`, 'utf8'), token = (await createClient({ url }).api.login({ body: { email: EMAIL, password: PASSWORD } })).accessToken, olga = createClient({ url, token })
  expect(await olga.api.getAlertMail()).toMatchObject({ here: true, address: EMAIL, proved: false })
  await olga.api.sendAlertMailCode()
  await expect.poll(() => box.mails.map(({ to, user }) => [to, user]), { timeout: 60_000 }).toEqual([[[EMAIL], 'market']])
  await olga.api.proveAlertMail({ body: { code: /^\d{4} \d{4}$/m.exec(box.mails[0]?.text ?? '')?.[0] ?? '' } })
  // It goes away: told, and still nothing of the password.
  await box.stop()
  await olga.api.testAlertMail()
  await expect.poll(async () => (await olga.api.getAlertMail()).problem, { timeout: 60_000 }).toBe('this market cannot send mail just now, and its operator sees why')
  const background = await olga.api.getBackground()
  expect(background.loops.find(({ name }) => name === 'mail')).toMatchObject({ problem: 'the mail server: nothing answers there; mails wait' })
  // Down is not wrong: a market starts without it, and says so.
  const late = serve(aFolder(), [], { env: good })
  expect((await late.open).operated).toBe(false)
  expect(await late.end()).toBe(0)
  expect(await market.end()).toBe(0)
  expect(late.told()).toContain('mails wait until the mail server answers')
  for (const text of [title, market.told(), late.told(), JSON.stringify(background), ...box.mails.map(({ raw }) => raw)]) expect(text).not.toContain('very-secret')
})

const missing = postgresMissing()
test.skipIf(missing)(`a second server on the same PostgreSQL waits, and goes on where the first was killed${missing ? ` (${missing})` : ''}`, { timeout: 300_000 }, async () => {
  const postgres = await startPostgres(), data = aFolder()
  try {
    const env = { DATABASE_URL: postgres.url }
    const first = serve(data, ['--operator', EMAIL], { stdin: `${PASSWORD}\n`, env })
    expect((await first.open).database).toBe('postgres')
    const session = await createClient({ url: (await first.open).url }).api.login({ body: { email: EMAIL, password: PASSWORD } })
    const second = serve(data, [], { env })
    await second.tells('another server was the writer')
    const waits = serve(data, [], { env })
    await waits.tells('another server was the writer')
    expect(await waits.end()).toBe(0) // who waits ends at once
    await first.end('SIGKILL')
    const { url, operated } = await second.open
    expect(operated).toBe(true)
    // Signed in at the first, known to the second: keys and tables are the same.
    expect((await createClient({ url, token: session.accessToken }).api.me()).email).toBe(EMAIL)
    expect(await second.end()).toBe(0)
    expect(readFileSync(`${data}/secrets.json`).length).toBeGreaterThan(0)
  } finally { await postgres.stop() }
})
