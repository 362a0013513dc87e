import { afterEach, expect, test } from 'vitest'
import { existsSync, linkSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { InstanceInfo, REQUESTS, callInside, openApi, openSocket } from './firecracker-api.ts'
import { GONE } from './machine-channel.ts'

const uid = process.getuid?.() ?? 0
const undo: (() => void)[] = []
afterEach(() => { for (const one of undo.splice(0)) one() })
const place = (): string => { const dir = mkdtempSync(join(tmpdir(), 'lumaris-fc-')); undo.push(() => rmSync(dir, { recursive: true, force: true })); return dir }
const listening = (server: Server, path: string): Promise<void> => new Promise((resolve) => { undo.push(() => server.close()); server.listen(path, () => resolve()) })

// The description that Firecracker's makers publish is not part of this project. Where it is at hand:
//   LUMARIS_FIRECRACKER_OPENAPI=…/firecracker.yaml npx vitest run apps/agent/src/drivers/firecracker-api.test.ts
const openApiFile = process.env['LUMARIS_FIRECRACKER_OPENAPI'] ?? ''
const missing = openApiFile !== '' && existsSync(openApiFile) ? '' : ' (LUMARIS_FIRECRACKER_OPENAPI names no file with its description)'

type Shape = { readonly type?: string; readonly const?: unknown; readonly enum?: readonly unknown[]; readonly minimum?: number; readonly maximum?: number; readonly required?: readonly string[]; readonly properties?: Readonly<Record<string, Shape>> }
type Property = { type?: string; ref?: string; enum: string[]; minimum?: number; maximum?: number }
/** As much of it as is compared: it is written one thing a line, by indentation. */
function readDescription(text: string): { definition(name: string): { required: string[]; properties: Map<string, Property> }; bodyOf(method: string, path: string): string | null } {
  const below = (from: string, line: string, indent: number): string | null => {
    const lines = from.split('\n'), at = lines.findIndex((one) => one.trimEnd() === `${' '.repeat(indent)}${line}:`)
    if (at < 0) return null
    const end = lines.findIndex((one, i) => i > at && one.trim() !== '' && !one.trim().startsWith('#') && one.length - one.trimStart().length <= indent)
    return lines.slice(at + 1, end < 0 ? undefined : end).join('\n')
  }
  const must = (found: string | null, what: string): string => { if (found === null) throw new Error(`the description has no ${what}`); return found }
  const list = (block: string, name: string, indent: number): string[] => {
    const flow = new RegExp(`^ {${indent}}${name}: \\[(.*)\\]`, 'm').exec(block)?.[1]
    return flow !== undefined ? flow.split(',').map((one) => one.trim().replaceAll('"', '')) : [...(below(block, name, indent) ?? '').matchAll(/^\s*- (.*)$/gm)].map((one) => (one[1] as string).trim())
  }
  const word = (block: string, name: string, indent: number): string | undefined => new RegExp(`^ {${indent}}${name}: "?([^"\\n]*)"?$`, 'm').exec(block)?.[1]
  const definitions = must(below(text, 'definitions', 0), 'definitions'), paths = must(below(text, 'paths', 0), 'paths')
  return {
    definition(name) {
      const block = must(below(definitions, name, 2), name), properties = must(below(block, 'properties', 4), `properties of ${name}`)
      return { required: list(block, 'required', 4), properties: new Map([...properties.matchAll(/^ {6}(\w+):/gm)].map(([, property = '']) => {
        const one = below(properties, property, 6) ?? '', number = (of: string): number | undefined => { const said = word(one, of, 8); return said === undefined ? undefined : Number(said) }
        const type = word(one, 'type', 8), ref = word(one, '\\$ref', 8)?.replace('#/definitions/', ''), minimum = number('minimum'), maximum = number('maximum')
        return [property, { ...(type === undefined ? {} : { type }), ...(ref === undefined ? {} : { ref }), enum: list(one, 'enum', 8), ...(minimum === undefined ? {} : { minimum }), ...(maximum === undefined ? {} : { maximum }) }]
      })) }
    },
    bodyOf(method, path) {
      const operations = below(paths, path, 2), operation = operations === null ? null : below(operations, method.toLowerCase(), 4)
      return operation === null || !operation.includes('\n        204:') ? null : /in: body[\s\S]*?\$ref: "#\/definitions\/(\w+)"/.exec(operation)?.[1] ?? null
    },
  }
}
test.skipIf(missing)(`every request in the table is one that Firecracker describes, with bodies that it allows${missing}`, () => {
  const description = readDescription(readFileSync(openApiFile, 'utf8'))
  const wrong: string[] = []
  const compare = (where: string, ours: Shape, name: string): void => {
    const theirs = description.definition(name)
    for (const needed of theirs.required) if (!ours.required?.includes(needed)) wrong.push(`${where}: ${needed} is required`)
    for (const [property, shape] of Object.entries(ours.properties ?? {})) {
      const other = theirs.properties.get(property), words = shape.enum ?? (shape.const === undefined ? [] : [shape.const])
      if (!other) { wrong.push(`${where}: there is no ${property}`); continue }
      if (other.ref !== undefined) { compare(`${where}.${property}`, shape, other.ref); continue }
      const type = shape.type ?? typeof shape.const
      if (type !== other.type) wrong.push(`${where}: ${property} is ${other.type}, not ${type}`)
      if (other.enum.length > 0 && (words.length === 0 || words.some((one) => !other.enum.includes(String(one))))) wrong.push(`${where}: ${property} is one of ${other.enum.join(', ')}`)
      if (other.minimum !== undefined && (shape.minimum ?? -Infinity) < other.minimum) wrong.push(`${where}: ${property} is at least ${other.minimum}`)
      if (other.maximum !== undefined && (shape.maximum ?? Infinity) > other.maximum) wrong.push(`${where}: ${property} is at most ${other.maximum}`)
    }
  }
  for (const [name, { method, path, body }] of Object.entries(REQUESTS)) {
    const found = description.bodyOf(method, path.replace(/^\/drives\/\w+$/, '/drives/{drive_id}'))
    if (found === null) wrong.push(`${name}: ${method} ${path} is not described`)
    else compare(name, z.toJSONSchema(body) as Shape, found)
  }
  compare('describe', z.toJSONSchema(InstanceInfo) as Shape, 'InstanceInfo')
  expect(wrong).toEqual([])
})

test('a request that is not in the table is not sent, and a refusal is told in Firecracker’s words', async () => {
  const path = join(place(), 'api'), over = new AbortController(), heard: string[] = []
  await listening(createHttpServer((asked, answer) => {
    let body = ''
    asked.on('data', (chunk) => { body += String(chunk) }).on('end', () => {
      heard.push(`${asked.method} ${asked.url} ${body}`)
      if (asked.method === 'GET') answer.end(JSON.stringify({ id: 'machine', state: 'Not started', vmm_version: '1.17.0', app_name: 'Firecracker', more: 1 }))
      else answer.writeHead(asked.url === '/vm' ? 400 : 204).end(asked.url === '/vm' ? JSON.stringify({ fault_message: 'x'.repeat(5_000) }) : undefined)
    })
  }), path)
  const api = openApi(path, uid, over.signal)
  undo.push(() => api.close())
  expect(await api.up()).toEqual({ id: 'machine', state: 'Not started', vmm_version: '1.17.0', app_name: 'Firecracker' })
  await api.ask('line', { guest_cid: 3, uds_path: '/line' })
  expect(heard.at(-1)).toBe('PUT /vsock {"guest_cid":3,"uds_path":"/line"}')
  await expect(api.ask('line', { guest_cid: 2, uds_path: '/line' })).rejects.toThrow(z.ZodError)
  await expect(api.ask('line', { guest_cid: 3, uds_path: '/../line' })).rejects.toThrow(z.ZodError)
  await expect(api.ask('size', { vcpu_count: 3, mem_size_mib: 512, smt: false, track_dirty_pages: false })).rejects.toThrow(z.ZodError)
  expect(heard.length).toBe(2)
  const refused = await api.ask('state', { state: 'Paused' }).catch((error: Error) => error.message)
  expect(refused).toMatch(/^Firecracker answered 400 to PATCH \/vm: x{300}$/)
})
test('who waits for an interface that never comes is told when the process ends; one that says too much, or nothing, is left', async () => {
  const path = join(place(), 'api'), over = new AbortController()
  const none = openApi(path, uid, over.signal).up()
  over.abort()
  await expect(none).rejects.toThrow(GONE)
  const rude = createServer((socket: Socket) => { socket.on('error', () => undefined); socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n'); const flood = (): void => { while (socket.writable && socket.write('x'.repeat(65_536))); }; socket.on('drain', flood); flood() })
  await listening(rude, path)
  await expect(openApi(path, uid, new AbortController().signal).up()).rejects.toThrow('it said too much')
  const silent = join(place(), 'api')
  await listening(createServer((socket) => { undo.push(() => socket.destroy()) }), silent)
  const api = openApi(silent, uid, new AbortController().signal)
  undo.push(() => api.close())
  const first = api.up()
  first.catch(() => undefined) // nobody answers; what is measured is the request below, with less patience
  await expect.poll(() => api.ask('state', { state: 'Paused' }, 100).catch((error: Error) => error.message)).toBe('it took more than 100 ms')
})
test('a link, another’s socket or a file in the place of a socket is not opened', async () => {
  const dir = place(), real = join(dir, 'real')
  await listening(createServer(), real)
  expect(openSocket(join(dir, 'none'), uid)).toBeNull()
  const opened = openSocket(real, uid)
  expect(opened?.path).toMatch(/^\/proc\/self\/fd\/\d+$/)
  opened?.close()
  symlinkSync(real, join(dir, 'link'))
  linkSync(real, join(dir, 'second'))
  writeFileSync(join(dir, 'file'), '')
  expect(() => openSocket(join(dir, 'link'), uid)).toThrow('exchanged')
  expect(() => openSocket(real, uid + 1)).toThrow('exchanged')
  expect(() => openSocket(join(dir, 'file'), uid)).toThrow('exchanged')
  expect(() => openSocket(join(dir, 'second'), uid + 1)).toThrow('exchanged') // a second name has the owner of the first
})
test('a call to the inside: a word, its answer, and not one byte of what follows is lost; nobody there is no error, another answer is', async () => {
  const dir = place()
  const answering = async (name: string, act: (socket: Socket) => void): Promise<string> => { const path = join(dir, name); await listening(createServer((socket) => { socket.on('error', () => undefined); undo.push(() => socket.destroy()); socket.once('data', (said) => { if (String(said) === 'CONNECT 1024\n') act(socket) }) }), path); return path }
  const socket = await callInside(await answering('good', (one) => { one.write('OK 7\nR\0\0') }), 1024, uid)
  undo.push(() => socket?.destroy())
  expect(await new Promise((resolve) => socket?.once('data', resolve))).toEqual(Buffer.from('R\0\0'))
  expect(await callInside(await answering('nobody', (one) => { one.destroy() }), 1024, uid)).toBeNull()
  expect(await callInside(join(dir, 'not-there'), 1024, uid)).toBeNull()
  await expect(callInside(await answering('other', (one) => { one.write('HELLO\n') }), 1024, uid)).rejects.toThrow('did not let us in')
  await expect(callInside(await answering('long', (one) => { one.write('O'.repeat(100_000)) }), 1024, uid)).rejects.toThrow('did not let us in')
})
