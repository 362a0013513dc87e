import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createService, quote, serviceArgv, unitName, unitText } from './service.ts'

function setup({ uid = 1000, systemd = true, joined = true, data = 'agent' } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-service-')), home = join(dir, 'home'), dataDir = join(home, '.lumaris', data), calls: string[] = [], says: Record<string, string> = {}
  onTestFinished(() => rmSync(dir, { recursive: true }))
  mkdirSync(dataDir, { recursive: true })
  if (systemd) mkdirSync(join(dir, 'run/systemd/system'), { recursive: true })
  if (joined) writeFileSync(join(dataDir, 'node.json'), '{}')
  const argv = ['/opt/node', '/opt/main.ts', '--server', 'https://market.example', '--data', dataDir, '--label', 'room=50% "north" $HOME']
  const service = createService({ dataDir, argv, uid, home, root: dir, run: async (program, args) => { calls.push([program, ...args].join(' ')); return says[args.filter((arg) => !arg.startsWith('-')).join(' ')] ?? '' } })
  return { dir, home, dataDir, argv, service, calls, says }
}

test('of a user: what is shown is what is written, for its eyes and systemd’s; enabled, not started while an agent runs; removed to the last file', async () => {
  const { home, service, calls, says, argv, dataDir } = setup(), path = join(home, '.config/systemd/user/lumaris-agent.service')
  const before = await service.status()
  expect(before).toMatchObject({ state: 'absent', path, active: false })
  says['is-enabled lumaris-agent.service'] = 'enabled\n'
  const after = await service.install(false)
  expect(after).toMatchObject({ state: 'enabled', says: expect.stringContaining('enable-linger') })
  expect([readFileSync(path, 'utf8'), after.text]).toEqual([before.text, before.text])
  expect(statSync(path).mode & 0o777).toBe(0o644)
  expect(before.text).toContain(`"--data" "${dataDir}" "--label" "room=50%% \\"north\\" $$HOME"`)
  expect(before.text).toContain('Delegate=yes')
  expect(calls.filter((call) => !/is-enabled|is-active|loginctl/.test(call))).toEqual(['systemctl --user daemon-reload', 'systemctl --user enable lumaris-agent.service'])
  says['show-user 1000'] = 'yes\n'
  expect((await service.status()).says).toBe('It starts with the system.')
  calls.length = 0
  expect(await service.remove()).toMatchObject({ state: 'absent' })
  expect([existsSync(path), calls[0], calls[1]]).toEqual([false, 'systemctl --user disable lumaris-agent.service', 'systemctl --user daemon-reload'])
  expect(argv[0]).toBe('/opt/node')
})
test('of root: of the system, started, and after the network', async () => {
  const { dir, service, calls } = setup({ uid: 0 })
  await service.install(true)
  expect(readFileSync(join(dir, 'etc/systemd/system/lumaris-agent.service'), 'utf8')).toMatch(/After=network-online\.target[\s\S]*WantedBy=multi-user\.target/)
  expect(calls).toContain('systemctl enable --now lumaris-agent.service')
  await service.restart()
  expect(calls).toContain('systemctl restart lumaris-agent.service')
})
test('where there is no systemd, no node, or a unit of something else, nothing is written', async () => {
  const none = setup({ systemd: false })
  expect(await none.service.status()).toMatchObject({ state: 'none', path: null, says: expect.stringContaining('not run by systemd') })
  await expect(none.service.install(true)).rejects.toThrow('not run by systemd')
  await expect(setup({ joined: false }).service.install(true)).rejects.toThrow('has not joined a market yet')
  const other = setup({ data: 'agent-two' }), path = join(other.home, '.config/systemd/user', unitName(other.dataDir, other.home))
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, '[Service]\nExecStart=/bin/true\n')
  for (const act of ['install', 'remove', 'restart'] as const) await expect(other.service[act](true)).rejects.toThrow('starts something else')
  expect([readFileSync(path, 'utf8'), other.calls]).toEqual(['[Service]\nExecStart=/bin/true\n', []])
  await expect(setup().service.restart()).rejects.toThrow('does not start with the system')
})
test('what starts it again holds no token, and no path that depends on a folder', () => {
  const made = serviceArgv({ execArgv: ['--x'], args: ['--token', 'join_secret', '--server=http://old', '--cpus', '2', '--data', 'rel', '--registry-auth', 'auth.json', '--token=join_other'], server: 'https://market.example', dataDir: 'rel' })
  expect(made.slice(3)).toEqual(['--server', 'https://market.example', '--data', join(process.cwd(), 'rel'), '--cpus', '2', '--registry-auth', join(process.cwd(), 'auth.json')])
  expect(made[2]).toMatch(/\/apps\/agent\/src\/main\.ts$/)
  expect(made.join(' ')).not.toContain('join_')
})
test('no option can add a line of its own to the unit; every folder has a unit of its own', () => {
  for (const bad of ['a\nExecStartPost=/bin/evil', 'a\rb', 'a\u0000b']) expect(() => unitText({ argv: ['/n', bad], dataDir: '/d', isSystem: false })).toThrow('control characters')
  expect(() => unitText({ argv: ['/n'], dataDir: '/d\nUser=root', isSystem: false })).toThrow('control characters')
  expect(quote('%h ${X} \\ "')).toBe('"%%h $${X} \\\\ \\""')
  expect([unitName('/h/.lumaris/agent', '/h'), unitName('/h/.lumaris/Agent Two', '/h'), unitName('/', '/h')]).toEqual(['lumaris-agent.service', 'lumaris-agent-agent-two.service', 'lumaris-agent-node.service'])
})
const analyze = '/usr/bin/systemd-analyze'
test.skipIf(!existsSync(analyze))(`systemd itself finds nothing wrong with it${existsSync(analyze) ? '' : ' (there is no systemd-analyze)'}`, () => {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-unit-'))
  onTestFinished(() => rmSync(dir, { recursive: true }))
  for (const isSystem of [false, true]) {
    const path = join(dir, `lumaris-agent-${isSystem}.service`)
    writeFileSync(path, unitText({ argv: [process.execPath, '/opt/main.ts', '--label', 'room=50% "north" $HOME'], dataDir: '/home/a b/.lumaris/50%', isSystem }))
    expect(verify(path), String(isSystem)).toBe('')
  }
  // It would have complained.
  const path = join(dir, 'wrong.service')
  writeFileSync(path, `${unitText({ argv: [process.execPath], dataDir: '/d', isSystem: true })}Nonsense=yes\n`)
  expect(verify(path)).toContain('Nonsense')
})
function verify(path: string): string {
  const { stdout, stderr } = spawnSync(analyze, ['verify', '--man=no', '--recursive-errors=no', path], { encoding: 'utf8' })
  return `${stdout}${stderr}`
}
