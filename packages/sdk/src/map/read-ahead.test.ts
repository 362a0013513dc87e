import { expect, test } from 'vitest'
import { readAhead } from './map.ts'

const files = Array.from({ length: 20 }, (_one, i) => ({ blob: String(i) as never, size: i === 3 ? 2 ** 20 : 10 }))
test('small results are asked for before their turn, a few at a time; a large one is read as it comes; each is read once', async () => {
  const asked: string[] = []
  let open = 0, most = 0
  const source = readAhead(files, async function* (blob) { asked.push(blob); most = Math.max(most, ++open); await Promise.resolve(); yield Buffer.from(blob); open-- })
  const got: string[] = []
  for (let part = 0; part < files.length; part++) {
    let text = ''
    for await (const bytes of source(part)) text += Buffer.from(bytes).toString()
    got.push(text)
    if (part === 0) expect(asked.toSorted()).toEqual(['0', '1', '2', '4', '5', '6', '7'])
  }
  expect(got).toEqual(files.map((file) => file.blob))
  expect(new Set(asked).size).toBe(asked.length)
  expect(most).toBeLessThanOrEqual(8)
})
test('one that cannot be read is told when its turn comes, and not before', async () => {
  const source = readAhead(files, async function* (blob) { if (blob === '2') throw new Error('gone'); yield Buffer.from(blob) })
  for (const part of [0, 1]) for await (const bytes of source(part)) expect(Buffer.from(bytes).toString()).toBe(String(part))
  await expect((async () => { for await (const _bytes of source(2)) { /* read to its end */ } })()).rejects.toThrow('gone')
})
