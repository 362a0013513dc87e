// Promises about the house that a look at the files can check. One is added when we catch ourselves twice.
import { expect, test } from 'vitest'
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

const root = dirname(import.meta.dirname)
function filesBelow(dir: string, ends: RegExp): string[] {
  if (!existsSync(join(root, dir))) return []
  return readdirSync(join(root, dir), { recursive: true, encoding: 'utf8' }).map((file) => join(dir, file)).filter((file) => !file.includes('node_modules') && ends.test(file) && statSync(join(root, file)).isFile())
}
const text = (file: string): string => readFileSync(join(root, file), 'utf8')
const importsOf = (file: string): string[] => [...text(file).matchAll(/(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)].map((match) => match[1] as string)
// A double that stands beside the tests that use it counts as one of them.
const isTest = (file: string): boolean => /(?:\.test|\.contract|tiny-market|test-screen|test-databases)\.ts$/.test(file)

// DESIGN's arrows: who may import whom. `cli` starts server and agent for `lumaris up`; testkit is for tests and may see everything pure.
const MAY: Record<string, string[]> = {
  'packages/protocol': [], 'packages/domain': ['protocol'], 'packages/link': ['protocol'], 'packages/sdk': ['protocol', 'link'], 'packages/testkit': ['protocol', 'domain', 'link'],
  'apps/server': ['protocol', 'domain', 'link'], 'apps/agent': ['protocol', 'domain', 'link'], 'apps/cli': ['protocol', 'sdk', 'server', 'agent'], 'apps/web': ['protocol', 'sdk'],
}

test('packages import only along the arrows', () => {
  const wrong: string[] = []
  for (const [place, allowed] of Object.entries(MAY)) {
    for (const file of filesBelow(`${place}/src`, /\.tsx?$/)) {
      if (isTest(file)) continue
      for (const name of importsOf(file)) {
        const other = /^@lumaris\/([a-z]+)/.exec(name)?.[1]
        if (other && !allowed.includes(other)) wrong.push(`${file} imports ${name}`)
        // The sample job is an example for everybody; `npm start` is the one program that runs it.
        if (file === 'apps/cli/src/start.ts' && name.includes('/examples/')) continue
        if (name.startsWith('.') && relative(join(root, place), join(root, dirname(file), name)).startsWith('..')) wrong.push(`${file} reaches out of its package to ${name}`)
      }
    }
  }
  expect(wrong).toEqual([])
})

test('the domain knows no clock, no chance, no waiting and no platform', () => {
  const wrong = filesBelow('packages/domain/src', /\.ts$/).filter((file) => !isTest(file)).flatMap((file) =>
    text(file).split('\n').flatMap((line, i) => (/\bDate\.now|new Date\(|Math\.random|\basync\b|\bawait\b|setTimeout|from 'node:|\bprocess\./.test(line.replace(/\/\/.*$/, '')) ? [`${file}:${i + 1}: ${line.trim()}`] : [])))
  expect(wrong).toEqual([])
})

test('no test is left out or alone without a reason, and no module is mocked', () => {
  const files = ['apps', 'packages', 'tests', 'tools', 'bench'].flatMap((dir) => filesBelow(dir, /\.test\.tsx?$|\.contract\.ts$/))
  const wrong = files.flatMap((file) => text(file).split('\n').flatMap((line, i) => (/\b(?:test|it|describe)\.(?:only|todo)\b|\b(?:vi|jest)\.mock\b/.test(line) && !file.endsWith('tidy.test.ts') ? [`${file}:${i + 1}`] : [])))
  expect(files.length).toBeGreaterThan(5)
  expect(wrong).toEqual([])
})

test('every path that the documents name exists', () => {
  const documents = [...readdirSync(root).filter((file) => file.endsWith('.md')), ...filesBelow('docs', /\.md$/)]
  const wrong: string[] = []
  for (const document of documents) {
    for (const match of text(document).matchAll(/`((?:apps|packages|tests|bench|tools|docs|examples|\.ci)\/[A-Za-z0-9_./-]*)`/g)) {
      const path = (match[1] as string).replace(/\/$/, '')
      if (!existsSync(join(root, path))) wrong.push(`${document} names ${path}`)
    }
    for (const match of text(document).matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)) {
      if (!existsSync(join(root, dirname(document), match[1] as string))) wrong.push(`${document} links to ${match[1]}`)
    }
  }
  expect(wrong).toEqual([])
})

test('the lockfile holds no download address, and every dependency is pinned', () => {
  expect(text('package-lock.json')).not.toMatch(/"resolved": "http/)
  const loose: string[] = []
  for (const file of ['package.json', ...filesBelow('apps', /^apps\/[a-z]+\/package\.json$/), ...filesBelow('packages', /^packages\/[a-z]+\/package\.json$/)]) {
    const { dependencies = {}, devDependencies = {}, optionalDependencies = {} } = JSON.parse(text(file)) as Record<'dependencies' | 'devDependencies' | 'optionalDependencies', Record<string, string> | undefined>
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies })) if (!/^\d+\.\d+\.\d+[\w.-]*$/.test(version)) loose.push(`${file}: ${name} ${version}`)
  }
  expect(loose).toEqual([])
})
