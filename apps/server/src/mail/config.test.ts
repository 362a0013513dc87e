import { startMailbox } from '@lumaris/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { MailSettingsError, isMailable, mailServerOf, mailSettingsOf } from './config.ts'
import { createMailSender } from './send.ts'

const GOOD = { smtpUrl: 'smtps://ann:s%40cret@mail.example:465', from: 'Alerts <alerts@mail.example>', publicUrl: 'https://market.example' }
const MAIL = { id: 'mil_1', at: Date.UTC(2026, 10, 22), to: 'bo@example.org', subject: 'A mail to try it', text: 'Grüße\n', offUrl: 'https://market.example/v1/mail-off/usr_1.x' }

test('a server, a sender and the market’s own address; nothing of it is guessed', () => {
  expect(mailServerOf(GOOD)).toMatchObject({ host: 'mail.example', port: 465, tls: true, local: false, auth: { user: 'ann', pass: 's@cret' }, from: { name: 'Alerts', address: 'alerts@mail.example' }, publicUrl: 'https://market.example' })
  expect(mailServerOf({ ...GOOD, smtpUrl: 'smtp://[::1]', from: 'a@b.example', publicUrl: 'http://127.0.0.1:7070/' })).toMatchObject({ host: '::1', port: 587, tls: false, local: true, auth: null, from: { name: 'Lumaris', address: 'a@b.example' }, publicUrl: 'http://127.0.0.1:7070' })
  expect(mailSettingsOf({})).toBeNull()
  expect(mailSettingsOf({ LUMARIS_PUBLIC_URL: 'https://market.example' })).toBeNull()
})
test.each([
  [{ smtpUrl: 'https://ann:s%40cret@mail.example' }, 'LUMARIS_SMTP_URL does not begin'], [{ smtpUrl: 'smtps://' }, 'LUMARIS_SMTP_URL'], [{ smtpUrl: 'smtps://ann:s%40cret@mail.example/inbox' }, 'LUMARIS_SMTP_URL has something behind'], [{ smtpUrl: 'smtps://ann:100%@mail.example' }, 'LUMARIS_SMTP_URL has a %'],
  [{ smtpUrl: 'smtps://ann:s%40cret%0d%0aX@mail.example' }, 'LUMARIS_SMTP_URL has a control'], [{ smtpUrl: 'smtps://ann@mail.example' }, 'LUMARIS_SMTP_URL has a user and no password'], [{ smtpUrl: 'smtps://:s%40cret@mail.example' }, 'LUMARIS_SMTP_URL has a password and no user'],
  [{ from: 'nobody' }, 'LUMARIS_MAIL_FROM is no sender'], [{ from: 'a@b.example, c@d.example' }, 'LUMARIS_MAIL_FROM'], [{ from: 'A <a@b.example' }, 'LUMARIS_MAIL_FROM'], [{ from: 'a@b.example\r\nBcc: x@y.example' }, 'LUMARIS_MAIL_FROM'],
  [{ publicUrl: 'market.example' }, 'LUMARIS_PUBLIC_URL is no address'], [{ publicUrl: 'http://market.example' }, 'LUMARIS_PUBLIC_URL does not begin with https'], [{ publicUrl: 'https://market.example/app' }, 'LUMARIS_PUBLIC_URL has something behind'], [{ publicUrl: 'https://a:b@market.example' }, 'LUMARIS_PUBLIC_URL has a user'],
] as const)('what is wrong is said at the start, and what to change: %j', (wrong, says) => {
  const found = ((): unknown => { try { return mailServerOf({ ...GOOD, ...wrong }) } catch (error) { return error } })()
  expect(found).toBeInstanceOf(MailSettingsError)
  expect((found as Error).message).toContain(says)
  expect((found as Error).message).not.toMatch(/s@cret|s%40cret|100%@/)
})
test.each([[{ LUMARIS_SMTP_URL: 'smtp://x' }, /LUMARIS_MAIL_FROM/], [{ LUMARIS_MAIL_FROM: 'a@b.example' }, /LUMARIS_SMTP_URL/], [{ LUMARIS_SMTP_URL: 'smtp://x', LUMARIS_MAIL_FROM: 'a@b.example' }, /LUMARIS_PUBLIC_URL/]])('half of it is none: %j', (env, says) => expect(() => mailSettingsOf(env)).toThrow(says))
test('an address with anything in it that could be read as two, or as more of a command, is not mailed', () => {
  for (const good of ['bo@example.org', 'a.b+c@sub.example.org', 'grüße@exämple.org', "o'neil@example.org"]) expect(isMailable(good), good).toBe(true)
  for (const bad of ['a,b@example.org', '<a@example.org>', 'a@b@c', 'a;b@example.org', '"a b"@example.org', 'a@example.org>', 'a(b)@example.org', 'a@[10.0.0.1]', 'a@b..c', `${'a'.repeat(65)}@b.example`, '@b', 'a@', 'a@-b', 'a\u202e@b.example']) expect(isMailable(bad), bad).toBe(false)
})

test.each(['smtps', 'starttls'] as const)('%s, with a user and a password: the mail comes whole, over TLS, to the one address', async (tls) => {
  const box = await startMailbox({ tls, login: { user: 'ann', password: 'p@ss/word %' } })
  onTestFinished(() => box.stop())
  // 127.0.0.1 counts as this machine, where TLS is not begun; another spelling of the same place does not.
  const url = tls === 'smtps' ? box.url : box.url.replace('127.0.0.1', 'ip4-loopback.test')
  const server = { ...mailServerOf({ ...GOOD, smtpUrl: url, ca: box.ca, timeoutMs: 5_000 }), host: '127.0.0.1' }
  const sender = createMailSender(server)
  onTestFinished(() => sender.close())
  expect(await sender.check()).toBeNull()
  expect(await sender.send(MAIL)).toEqual({ kind: 'sent' })
  expect(box.mails).toMatchObject([{ from: 'alerts@mail.example', to: ['bo@example.org'], secure: true, user: 'ann', text: 'Grüße\n', headers: {
    'message-id': ['<mil_1@mail.example>'], from: ['Alerts <alerts@mail.example>'], to: ['bo@example.org'], subject: ['A mail to try it'], 'list-unsubscribe': ['<https://market.example/v1/mail-off/usr_1.x>'], 'list-unsubscribe-post': ['List-Unsubscribe=One-Click'], 'auto-submitted': ['auto-generated'], 'content-type': ['text/plain; charset=utf-8'],
  } }])
  // A certificate that nobody has signed, and a password that is wrong.
  const stranger = createMailSender({ ...server, ca: undefined })
  onTestFinished(() => stranger.close())
  expect(await stranger.send(MAIL)).toMatchObject({ kind: 'trouble', because: expect.stringContaining('certificate') })
  const wrong = createMailSender({ ...server, auth: { user: 'ann', pass: 'hunter2' } })
  onTestFinished(() => wrong.close())
  const refused = await wrong.send(MAIL)
  expect(refused).toEqual({ kind: 'trouble', because: 'the mail server refuses the user or the password (535)' })
  await expect(wrong.check()).rejects.toThrow(/^The mail server 127\.0\.0\.1 refuses the user or the password of LUMARIS_SMTP_URL \(535\): correct them, or unset it/)
  expect(box.mails).toHaveLength(1)
})
test('a server elsewhere that offers no TLS is told nothing', async () => {
  const box = await startMailbox({ login: { user: 'ann', password: 'secret' } })
  onTestFinished(() => box.stop())
  const sender = createMailSender({ ...mailServerOf({ ...GOOD, smtpUrl: box.url, timeoutMs: 5_000 }), local: false })
  onTestFinished(() => sender.close())
  expect(await sender.send(MAIL)).toMatchObject({ kind: 'trouble', because: expect.stringContaining('no TLS with the mail server') })
  expect(box.mails).toEqual([])
})
test('what an answer means: about the address, about later, or about the mail server', async () => {
  const box = await startMailbox(), sender = createMailSender(mailServerOf({ ...GOOD, smtpUrl: box.url, timeoutMs: 5_000 }))
  onTestFinished(async () => { sender.close(); await box.stop() })
  for (const [step, code, says, kind] of [
    ['rcpt', 550, '5.1.1 no such user', 'refused'], ['rcpt', 450, '4.2.0 greylisted', 'later'], ['rcpt', 554, '5.7.1 relaying denied', 'later'], ['data', 554, '5.6.0 looks like spam', 'later'], ['data', 452, '4.3.1 full', 'later'], ['mail', 550, '5.1.8 who are you', 'trouble'], ['mail', 451, '4.3.0 not now', 'trouble'],
  ] as const) {
    box.answerWith((now) => (now === step ? { code, says } : null))
    expect(await sender.send(MAIL), `${step} ${code}`).toMatchObject({ kind, because: expect.stringContaining(says) })
  }
  expect(box.mails).toEqual([])
  const nobody = createMailSender(mailServerOf({ ...GOOD, smtpUrl: 'smtp://127.0.0.1:1', timeoutMs: 5_000 }))
  expect(await nobody.check()).toBe('the mail server: nothing answers there')
  const missing = createMailSender(mailServerOf({ ...GOOD, smtpUrl: 'smtps://no-such-host.invalid', timeoutMs: 5_000 }))
  const found = await missing.check().catch((error: unknown) => error)
  // Without a name server at all, nobody can say that there is no such host.
  if (found instanceof Error) expect(found.message).toContain('there is no such host')
  else expect(found).toMatch(/^the mail server/)
})
