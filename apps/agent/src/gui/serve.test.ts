import { readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { GUI_FILE } from './door-file.ts'
import { aScreen } from './test-screen.ts'

const READS = ['/api/status', '/api/live', '/api/log', '/api/diagnostics'], WRITES = ['/api/pause', '/api/resume', '/api/stop-all', '/api/self-test', '/api/reconnect', '/api/tickets', '/api/settings/leave', '/api/settings/mend', '/api/service']

test('without the cookie nothing is readable and nothing can be done; the empty page says nothing of this machine', async () => {
  const { ask, agent, dataDir, door } = await aScreen()
  for (const path of READS) expect((await ask('GET', path)).status, path).toBe(401)
  for (const path of WRITES) expect((await ask('POST', path, { headers: { origin: door.url }, body: {} })).status, path).toBe(401)
  expect((await ask('PUT', '/api/settings', { headers: { origin: door.url }, body: {} })).status).toBe(401)
  for (const cookie of ['', `lumaris_${new URL(door.url).port}=`, `lumaris_${new URL(door.url).port}=${'x'.repeat(32)}`, `lumaris_${new URL(door.url).port}=${door.secret}`]) expect((await ask('GET', '/api/status', { headers: { cookie } })).status, cookie).toBe(401)
  for (const path of ['/', '/page.js', '/page.css', '/plot.js', '/uplot.js']) {
    const { status, text } = await ask('GET', path)
    expect(status, path).toBe(200)
    for (const known of [agent.nodeId, 'north', dataDir, door.secret]) expect(text).not.toContain(known)
  }
  expect(agent.owner()?.wish.pause).toBe(null)
})

test('a foreign Origin gets 403 everywhere, also with the cookie, and changes nothing', async () => {
  const { ask, signIn, agent, host, door } = await aScreen()
  const cookie = await signIn()
  for (const origin of ['https://evil.example', 'http://127.0.0.1', `http://localhost:${host.split(':')[1]}`, `https://${host}`, 'null', `http://${host}.evil.example`]) {
    for (const path of ['/', ...READS]) expect((await ask('GET', path, { headers: { cookie, origin } })).status, `${origin} ${path}`).toBe(403)
    for (const path of WRITES) expect((await ask('POST', path, { headers: { cookie, origin }, body: {} })).status, `${origin} ${path}`).toBe(403)
    expect((await ask('POST', '/api/session', { headers: { origin }, body: { ticket: 'x' } })).status).toBe(403)
  }
  // A form or a script of somebody's page whose browser sends no Origin, or says where it comes from in another way.
  expect((await ask('POST', '/api/pause', { headers: { cookie }, body: {} })).status).toBe(403)
  for (const site of ['cross-site', 'same-site']) expect((await ask('GET', '/api/status', { headers: { cookie, 'sec-fetch-site': site } })).status).toBe(403)
  expect((await ask('POST', '/api/pause', { headers: { cookie, origin: door.url, 'content-type': 'text/plain' }, body: '{}' })).status).toBe(415)
  expect(agent.owner()?.wish.pause).toBe(null)
  expect((await ask('GET', '/api/status', { headers: { cookie } })).status).toBe(200)
})

test('a wrong Host gets 403, whatever else is right: a name of a stranger that leads here is not this address', async () => {
  const { ask, signIn, owner, host } = await aScreen()
  const cookie = await signIn()
  for (const wrong of ['evil.example', `evil.example:${host.split(':')[1]}`, `localhost:${host.split(':')[1]}`, '127.0.0.1', `[::1]:${host.split(':')[1]}`, `${host}.evil.example`]) {
    for (const path of ['/', '/page.js', ...READS]) expect((await ask('GET', path, { headers: { cookie, host: wrong, ...owner } })).status, `${wrong} ${path}`).toBe(403)
  }
})

test('it listens on 127.0.0.1 alone', async () => {
  const { door } = await aScreen()
  const { port } = new URL(door.url)
  const others = Object.values(networkInterfaces()).flat().flatMap((one) => (one && one.address !== '127.0.0.1' && one.family === 'IPv4' ? [one.address] : []))
  for (const address of [...others, '::1']) expect(await new Promise((resolve) => { const socket = connect({ host: address, port: Number(port) }); socket.on('connect', () => { socket.destroy(); resolve('open') }).on('error', () => resolve('closed')) }), address).toBe('closed')
})

test('a ticket opens once, the cookie is for this address alone and no script can read it, and every reply is guarded', async () => {
  const { ask, ticket, owner, door, dataDir } = await aScreen()
  const url = await ticket()
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#ticket=[\w-]{32}$/) // behind the #: never sent, in no log
  const body = { ticket: url.split('ticket=')[1] }
  const first = await ask('POST', '/api/session', { headers: { origin: door.url }, body })
  expect(first.status).toBe(200)
  expect(String(first.headers['set-cookie'])).toMatch(/^lumaris_\d+=[\w-]{32}; Path=\/; HttpOnly; SameSite=Strict$/)
  const again = await ask('POST', '/api/session', { headers: { origin: door.url }, body })
  expect([again.status, again.headers['set-cookie']]).toEqual([401, undefined])
  expect(again.text).toContain('used before')
  expect((await stat(join(dataDir, GUI_FILE))).mode & 0o777).toBe(0o600)
  for (const reply of [first, again, await ask('GET', '/'), await ask('GET', '/nowhere'), await ask('GET', '/api/status', { headers: owner })]) {
    expect(reply.headers['content-security-policy']).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/)
    expect(reply.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer', 'cache-control': 'no-store', 'cross-origin-resource-policy': 'same-origin' })
  }
  expect(await Promise.all(['/nowhere', '/../gui.json', '/page/page.ts', '/api/pause'].map(async (path) => (await ask('GET', path, { headers: owner })).status))).toEqual([404, 404, 404, 405])
})

test('what is wrong is said, and changes nothing', async () => {
  const { ask, owner, agent } = await aScreen()
  const put = async (body: unknown) => { const { status, text } = await ask('PUT', '/api/settings', { headers: owner, body }); return [status, (JSON.parse(text) as { error: string }).error] }
  expect(await put({ share: { cpuPercent: 0 } })).toEqual([422, expect.stringContaining('share.cpuPercent')])
  expect(await put({ hours: { timeZone: 'UTC', week: { mon: ['22:00-07:00'] } } })).toEqual([422, expect.stringContaining('a night is two ranges')])
  expect(await put('{')).toEqual([400, 'The body is not valid JSON.'])
  expect(await put({ more: 'x'.repeat(70_000) })).toEqual([413, 'That is too much.'])
  expect((await ask('POST', '/api/pause', { headers: owner, body: { until: 'someday' } })).status).toBe(422)
  expect(agent.owner()?.settings.share.cpuPercent).toBe(100)
})

test('pause for an hour, until tomorrow, without end, and resume: at once, and on the disk', async () => {
  const { ask, owner, dataDir, agent, market } = await aScreen()
  const wish = async (path: string, body: unknown): Promise<{ reasons: string[]; until: number | null | undefined }> => {
    expect((await ask('POST', path, { headers: owner, body })).status).toBe(200)
    const { pause } = JSON.parse(await readFile(join(dataDir, 'owner-wish.json'), 'utf8')) as { pause: { until: number | null } | null }
    return { reasons: [], until: pause === null ? undefined : pause.until }
  }
  const now = Date.now()
  expect((await wish('/api/pause', { forMs: 3_600_000 })).until).toBeGreaterThan(now + 3_599_000)
  await market.until(() => market.received.some((message) => message.type === 'availability_update' && message.status === 'paused'))
  const tomorrow = (await wish('/api/pause', { until: 'tomorrow' })).until as number
  expect(new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', hour: '2-digit', minute: '2-digit' }).format(tomorrow)).toBe('08:00')
  expect(tomorrow - now).toBeLessThan(33 * 3_600_000)
  expect((await wish('/api/pause', {})).until).toBe(null)
  expect((await wish('/api/resume', {})).until).toBe(undefined)
  expect((JSON.parse((await ask('POST', '/api/stop-all', { headers: owner, body: {} })).text) as { stopped: boolean }).stopped).toBe(true)
  expect(await readdir(dataDir)).toContain('STOP')
  await ask('POST', '/api/resume', { headers: owner, body: {} })
  expect(await readdir(dataDir)).not.toContain('STOP')
  await expect.poll(() => agent.owner()?.word).toBe('idle')
})

test('settings that cannot be read are set aside by one request, and not lost; until then no others are written over them', async () => {
  const { ask, owner, put, dataDir, agent } = await aScreen({ share: { cpuPercent: 50 } })
  const code = (): readonly string[] => (agent.owner()?.problems ?? []).map((one) => one.code)
  put('data/owner.json', '{"share":')
  await expect.poll(code).toContain('settings')
  const no = await ask('PUT', '/api/settings', { headers: owner, body: agent.owner()?.settings })
  expect([no.status, no.text]).toEqual([409, expect.stringContaining('is not valid JSON')])
  for (const _press of [1, 2]) expect((await ask('POST', '/api/settings/mend', { headers: owner, body: {} })).status).toBe(200)
  await expect.poll(code).not.toContain('settings')
  expect(agent.owner()?.settings.share.cpuPercent).toBe(100)
  expect(await readFile(join(dataDir, 'owner.json.broken'), 'utf8')).toBe('{"share":')
})

test('the stream begins with the last hour and goes on once a second', async () => {
  const { ask, owner } = await aScreen()
  const { text, headers } = await ask('GET', '/api/live', { headers: owner })
  expect(headers['content-type']).toBe('text/event-stream')
  expect(text).toMatch(/^event: history\ndata: \[/)
})

test('the diagnostic file holds no secret, however it came into the log', async () => {
  const { ask, owner, door, dataDir, market, agent } = await aScreen()
  const key = await readFile(join(dataDir, 'node-key.pem'), 'utf8')
  const token = 'join_VeryLongAndSecretToken0123456789abcdefghijkl'
  // As a careless line of code would: everything into the log.
  await writeFile(join(dataDir, 'owner.json'), JSON.stringify({ [`${token} Bearer ${door.secret} ${key} https://ann:hunter22@proxy.example password=hunter33`]: 1 }))
  await expect.poll(() => agent.owner()?.problems.some((one) => one.code === 'settings')).toBe(true)
  market.submit({ command: ['fake:print', 'private words'], outputs: [] })
  const { text, headers } = await ask('GET', '/api/diagnostics', { headers: owner })
  expect(headers['content-disposition']).toMatch(/^attachment; filename="lumaris-diagnostic-[\dT-]+\.json"$/)
  for (const secret of [token, door.secret, 'hunter22', 'hunter33', key.split('\n')[1] ?? '', 'session-1', 'private words', process.env['HOME'] !== '/' ? `${process.env['HOME']}/` : 'no home']) expect(text, secret).not.toContain(secret)
  // What help needs is there.
  for (const needed of [agent.nodeId, '0.1.0', 'agent starts', process.version, 'owner.json']) expect(text).toContain(needed)
  expect((await ask('GET', '/api/log', { headers: owner })).text).not.toContain('hunter33')
})

test('the self-test runs the canaries again and finds a market that is gone', async () => {
  const { ask, owner, closeMarket } = await aScreen()
  const run = async () => (JSON.parse((await ask('POST', '/api/self-test', { headers: owner, body: {} })).text) as { lines: { check: string; ok: boolean; says: string }[] }).lines
  const lines = await run()
  expect(lines.map((line) => [line.check, line.says])).toEqual([['Market', 'it answers with 404'], ['Disk', 'can be written'], ['Isolation by fake', 'every limit held against its canary']])
  await closeMarket()
  expect((await run())[0]).toMatchObject({ ok: false, says: expect.stringContaining('does not answer') as string })
})

test('no door is left after the end', async () => {
  const { agent, dataDir } = await aScreen()
  await agent.stop()
  expect(await readdir(dataDir)).not.toContain(GUI_FILE)
})
