// `npm test`: types, lint, then every test; the last line counts them. With arguments only the tests whose path contains one of them.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const names = process.argv.slice(2)
const dir = mkdtempSync(join(tmpdir(), 'lumaris-test-'))
const report = join(dir, 'report.json')
// The tests of the screens look at what is built: a build that fails must not leave them looking at an old one.
const built = spawnSync(process.execPath, [join(import.meta.dirname, 'build-web.ts')], { stdio: 'inherit' }).status
const checked = names.length > 0 ? 0 : spawnSync(process.execPath, [join(import.meta.dirname, 'check.ts')], { stdio: 'inherit' }).status
// Of a whole run what failed is run once more, and named: see report-run.ts.
const again = names.length > 0 ? [] : ['--retry=1']
const tested = spawnSync('vitest', ['run', ...again, '--reporter=default', '--reporter=json', `--reporter=${join(import.meta.dirname, 'report-run.ts')}`, `--outputFile.json=${report}`, ...names], { stdio: 'inherit', env: { ...process.env, NODE_OPTIONS: '--disable-warning=ExperimentalWarning' } })

type Report = { numPassedTests: number; numFailedTests: number; numPendingTests: number; numFailedTestSuites: number }
let counts: Report | null = null
try { counts = JSON.parse(readFileSync(report, 'utf8')) as Report } catch { process.stdout.write('the tests wrote no report: they did not run to their end\n') }
rmSync(dir, { recursive: true, force: true })
const ok = built === 0 && checked === 0 && tested.status === 0 && counts !== null && counts.numPassedTests > 0
if (built !== 0) process.stdout.write('the screens could not be built, see above\n')
if (checked !== 0) process.stdout.write('types or lint: failed, see above\n')
if (counts) process.stdout.write(`${counts.numPassedTests} passed, ${counts.numFailedTests} failed, ${counts.numPendingTests} skipped\n`)
process.exit(ok ? 0 : 1)
