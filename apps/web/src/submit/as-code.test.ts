import { expect, test } from 'vitest'
import { cliText, sdkText } from './as-code.ts'
import type { Plan } from './draft.ts'

const plan: Plan = { spec: { command: ['main.ts'], inputs: [{ path: 'main.ts', blob: 'a', size: 1 }, { path: 'kept.csv', blob: 'b', size: 2 }] } as never, uploads: [{ path: 'main.ts', blob: new Blob(['x']) }, { path: "it's.txt", blob: new Blob(['y']) }], cap: 1_500_000n, secrets: {}, missing: [] }
test('a program that has the end of the text in it does not end it', () => {
  const lines = cliText(plan, new Map([['main.ts', 'one\nEND\ntwo']])).split('\n')
  expect(lines.slice(0, 5)).toEqual(["cat > main.ts <<'ENDD'", 'one', 'END', 'two', 'ENDD'])
  expect(lines.at(-2)).toBe(`npx lumaris submit --spec job.json --no-auto --file main.ts --file 'it'\\''s.txt' --cap 1.50`)
})
test('what is uploaded is brought along, what the market has is named', () => {
  expect(cliText(plan, new Map())).not.toContain('"main.ts",\n      "blob"')
  expect(cliText(plan, new Map())).toContain('kept.csv')
  const text = sdkText(plan, 'https://market.example')
  expect(text).toContain('inputs: [await upload("main.ts"), await upload("it\'s.txt"), {"path":"kept.csv","blob":"b","size":2}],')
  expect(text).toContain('}, { cap: 1500000n })')
})
