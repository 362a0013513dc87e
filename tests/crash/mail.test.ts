import { expect, test } from 'vitest'
import { startMailbox } from '@lumaris/testkit'
import { harness } from './harness.ts'

const PATIENT = { timeout: 60_000, interval: 100 }, KILLS = 3

test(`${KILLS} times kill -9 of the server after a mail has arrived and before that is noted: it is sent again, as the same mail; before it has arrived: it is sent then. None is lost`, { timeout: 300_000 }, async () => {
  const box = await startMailbox(), market = await harness()
  Object.assign(process.env, { LUMARIS_SMTP_URL: box.url, LUMARIS_MAIL_FROM: 'alerts@market.example', LUMARIS_PUBLIC_URL: 'https://market.example' })
  const call = async (path: string, method = 'GET', body?: unknown): Promise<any> => (await fetch(`${market.url}/v1/alerts${path}`, { method, headers: { authorization: `Bearer ${market.keys.buyer}`, ...(body ? { 'content-type': 'application/json' } : {}) }, ...(body ? { body: JSON.stringify(body) } : {}) })).json() // eslint-disable-line -- a test looks into whatever came back
  try {
    await market.startServer()
    await call('/mail/code', 'POST')
    await expect.poll(() => box.mails.length, PATIENT).toBe(1)
    expect(await call('/mail/prove', 'POST', { code: /^\d{4} \d{4}$/m.exec(box.mails[0]?.text ?? '')?.[0] })).toMatchObject({ on: true })
    // Something is spent; then each new budget of less than that is told of.
    await market.startAgent('a')
    const buying = market.buy(['fake:sleep', '150'])
    await expect.poll(() => market.acknowledged.size, PATIENT).toBeGreaterThan(0)
    market.stopSubmitting()
    await buying
    await market.everythingIsRight()
    for (let i = 0; i < KILLS; i++) {
      // Arrived and kept, and the answer never comes back.
      const before = box.mails.length
      box.answerWith(async (step) => { if (step === 'data') await market.killServer(); return null })
      await call('/settings', 'PUT', { monthlyBudget: String(i + 1) })
      await expect.poll(() => box.mails.length, PATIENT).toBe(before + 1)
      // Killed once more, before the second try has got anywhere.
      box.answerWith(async (step) => { if (step === 'rcpt') await market.killServer(); return null })
      const tried = box.connections
      await market.startServer()
      await expect.poll(() => box.connections, PATIENT).toBeGreaterThan(tried)
      box.answerWith(() => null)
      await market.killServer()
      await market.startServer()
      await expect.poll(() => box.mails.length, PATIENT).toBeGreaterThanOrEqual(before + 2)
      await expect.poll(() => call('/mail'), PATIENT).toMatchObject({ waiting: 0 })
      const ids = box.mails.slice(before).map(({ headers }) => headers['message-id']?.[0])
      expect(new Set(ids).size, ids.join(' ')).toBe(1)
      expect(box.mails.at(-1)?.headers['subject']?.[0]).toMatch(/^Budget: The budget of /)
    }
  } finally {
    for (const name of ['LUMARIS_SMTP_URL', 'LUMARIS_MAIL_FROM', 'LUMARIS_PUBLIC_URL']) delete process.env[name]
    await market.stop()
    await box.stop()
  }
})
