import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { describe, expect, test } from 'vitest'
import { postgresMissing, redisMissing, startPostgres, startRedis } from './servers.ts'

const answers = (url: string): Promise<boolean> => new Promise((resolve) => {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.once('connect', () => { socket.destroy(); resolve(true) })
  socket.once('error', () => resolve(false))
})
const directories = (kind: string): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith(`lumaris-bench-${kind}-`))

describe.each([
  ['pg', postgresMissing(), startPostgres],
  ['redis', redisMissing(), () => startRedis('always')],
])('a server for a benchmark: %s', (kind, missing, start) => {
  test.skipIf(missing !== undefined)('answers on loopback while it runs and leaves nothing behind', async () => {
    const before = directories(kind)
    const server = await start()
    try {
      expect(new URL(server.url).hostname).toBe('127.0.0.1')
      expect(await answers(server.url)).toBe(true)
    } finally {
      await server.stop()
    }
    await server.stop()   // a second time does nothing
    expect(await answers(server.url)).toBe(false)
    expect(directories(kind).filter((name) => !before.includes(name))).toEqual([])
  })
})
