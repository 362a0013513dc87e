import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { planChunks } from './plan.ts'
import type { Plan, PlanOptions } from './plan.ts'
import { SplitError } from './plan.ts'
import { factoring, sizesOf } from './sizes.ts'
import { fieldsOf } from './values.ts'

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
/** The bytes in pieces, cut anywhere: within a character, between \r and \n, within a quote. */
function* pieces(bytes: Uint8Array, cuts: readonly number[]): Generator<Uint8Array> {
  let at = 0
  for (const cut of [...cuts.map((one) => one % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]) if (cut > at) { yield bytes.subarray(at, cut); at = cut }
}
/** What must hold of any plan of any input. */
function whole(input: Uint8Array, plan: Plan): Uint8Array[] {
  expect(plan).toMatchObject({ blob: sha(input), size: input.length })
  const header = plan.header ? input.subarray(plan.header.from, plan.header.to) : new Uint8Array()
  const parts = plan.chunks.map((chunk, i) => {
    expect(chunk.index).toBe(i)
    expect(chunk.to).toBeGreaterThan(chunk.from)
    const seen = Buffer.concat([header, input.subarray(chunk.from, chunk.to)])
    expect([sha(seen), seen.length]).toEqual([chunk.hash, chunk.bytes])
    return input.subarray(chunk.from, chunk.to)
  })
  expect(Buffer.concat([header, ...parts]).equals(input)).toBe(true)
  return parts
}
const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 12 })
const cuts = fc.array(fc.nat(5000), { maxLength: 20 })
const text = fc.string({ unit: 'binary', maxLength: 12 })
const newline = fc.constantFrom('\n', '\r\n')
const bom = fc.constantFrom('', '\ufeff')

test('lines: any text, any cut of the stream; every chunk but the last ends behind a newline, and none is broken', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.tuple(text, newline), { minLength: 1, maxLength: 40 }), text, bom, sizes, cuts, async (lines, last, mark, wanted, at) => {
    const input = Buffer.from(mark + lines.map(([line, end]) => line.replaceAll('\n', '') + end).join('') + last)
    const plan = await planChunks(pieces(input, at), { by: 'lines', sizes: wanted })
    const parts = whole(input, plan)
    for (const part of parts.slice(0, -1)) expect(part.at(-1)).toBe(0x0a)
    expect(plan.chunks.reduce((sum, chunk) => sum + (chunk.records ?? 0), 0)).toBe(plan.records)
    expect(plan.chunks.length).toBeLessThanOrEqual(wanted.length)
    // Each chunk is no longer than was wanted and one record more.
    parts.slice(0, -1).forEach((part, i) => expect(part.length).toBeLessThan((wanted[i] as number) + plan.longest))
  }))
})

const field = fc.oneof(text.map((one) => one.replaceAll(/["\r\n,]/g, '')), text.map((one) => `"${one.replaceAll('"', '""')}"`), fc.constant('5" pipe'), fc.constantFrom('""', '"a\nb"', '"a\r\nb"', '"x,""y"""', 'é', '"日\n本"'))
const record = fc.tuple(fc.array(field, { minLength: 1, maxLength: 4 }), newline).map(([fields, end]) => fields.join(',') + end)
test('CSV: quoted newlines, doubled quotes, delimiters in quotes, CRLF, a byte order mark, no last newline; records stay whole in every chunk', async () => {
  await fc.assert(fc.asyncProperty(record, fc.array(record, { minLength: 1, maxLength: 30 }), fc.boolean(), bom, fc.boolean(), sizes, cuts, async (head, records, cutEnd, mark, header, wanted, at) => {
    const all = [head, ...records]
    const source = cutEnd ? all.join('').replace(/\r?\n$/, '') : all.join('')
    if (source.length - (header ? head.length : 0) <= 0) return
    const input = Buffer.from(mark + source)
    const plan = await planChunks(pieces(input, at), { by: 'csv', header, sizes: wanted })
    const parts = whole(input, plan)
    // Every chunk, read alone, has just the fields that its records have in the whole.
    const expected = (header ? records : [(mark + head), ...records]).map((one, i, list) => (cutEnd && i === list.length - 1 ? one.replace(/\r?\n$/, '') : one))
    const found: string[] = []
    for (const part of parts) {
      let left = Buffer.from(part).toString()
      while (left !== '') { const one = expected[found.length] as string; expect(left.startsWith(one)).toBe(true); found.push(one); left = left.slice(one.length); if (one === '') break }
    }
    expect(found.filter((one) => one !== '').length).toBe(plan.records)
    for (const one of found) fieldsOf(one)
  }))
})

test('ranges of bytes: borders at multiples of the record, whatever the bytes are', async () => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 500 }), fc.integer({ min: 1, max: 9 }), sizes, cuts, async (input, unit, wanted, at) => {
    const plan = await planChunks(pieces(input, at), { by: 'bytes', recordBytes: unit, sizes: wanted })
    for (const part of whole(input, plan).slice(0, -1)) expect(part.length % unit).toBe(0)
    expect(plan.records).toBeNull()
  }))
})

test('any bytes at all, by any kind: a plan whose chunks make the input again, or a refusal with a reason', async () => {
  const kinds: PlanOptions['by'][] = ['lines', 'csv', 'jsonl', 'bytes']
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(...kinds), fc.boolean(), sizes, cuts, async (input, by, header, wanted, at) => {
    try { whole(input, await planChunks(pieces(input, at), { by, header, sizes: wanted })) } catch (error) {
      if (!(error instanceof SplitError)) throw error
      expect(['empty', 'header_only', 'open_quote', 'utf16']).toContain(error.problem)
    }
  }), { numRuns: 300 })
})

test('UTF-8: the first wrong byte is found as the platform’s own decoder would, whatever the cut', async () => {
  const decodes = (bytes: Uint8Array): boolean => { try { new TextDecoder('utf-8', { fatal: true }).decode(bytes); return true } catch { return false } }
  await fc.assert(fc.asyncProperty(fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.string({ unit: 'binary', minLength: 1 }).map((one) => new Uint8Array(Buffer.from(one)))), cuts, async (input, at) => {
    if ((input[0] === 0xff && input[1] === 0xfe) || (input[0] === 0xfe && input[1] === 0xff)) return
    const { notUtf8At } = await planChunks(pieces(input, at), { by: 'lines', sizes: [1] })
    expect(notUtf8At === null).toBe(decodes(input))
    if (notUtf8At !== null) expect(decodes(input.subarray(0, notUtf8At))).toBe(true)
  }), { numRuns: 500 })
})

test('sizes add up to what there is, are within their bounds, and do not grow from round to round', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1e9 }), fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 1e6 }), (total, workers, least) => {
    const list = factoring(total, { workers, least })
    expect(list.reduce((sum, one) => sum + one, 0)).toBe(total)
    for (const one of list.slice(0, -1)) expect(one).toBeGreaterThanOrEqual(Math.min(least, total))
    for (let i = workers; i < list.length - 1; i++) expect(list[i]).toBeLessThanOrEqual(list[i - workers] as number)
  }))
  fc.assert(fc.property(fc.integer({ min: 1, max: 1e12 }), fc.record({ chunks: fc.option(fc.integer({ min: 1, max: 20_000 }), { nil: undefined }), chunkSize: fc.option(fc.integer({ min: 1, max: 1e9 }), { nil: undefined }), workers: fc.integer({ min: 1, max: 500 }) }), (total, options) => {
    const { sizes: list } = sizesOf(total, options)
    expect(list.reduce((sum, one) => sum + one, 0)).toBe(total)
    expect(list.length).toBeLessThanOrEqual(10_000)
    expect(list.every((one) => one > 0)).toBe(true)
  }))
})
