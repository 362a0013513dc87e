// What `npm test` says at its end beside the counts: tests that passed only when they were run again, and where the time went.
// A whole run starts thousands of processes on machines that others use too. A test that fails there once and passes at once when it is run
// again stops nobody, but it is named: it hangs on time, and that is a defect of the test or of what it tests.
import { relative } from 'node:path'
import type { Reporter, TestCase, TestModule } from 'vitest/node'

const SLOWEST = 12

export default class ReportRun implements Reporter {
  readonly #again: string[] = []
  readonly #slow: { file: string; ms: number }[] = []

  onTestCaseResult(test: TestCase): void {
    if (test.diagnostic()?.flaky) this.#again.push(`${relative(process.cwd(), test.module.moduleId)} > ${test.fullName}`)
  }
  onTestModuleEnd(module: TestModule): void {
    this.#slow.push({ file: relative(process.cwd(), module.moduleId), ms: module.diagnostic().duration })
  }
  onTestRunEnd(): void {
    this.#slow.sort((a, b) => b.ms - a.ms)
    process.stdout.write(`\nslowest files: ${this.#slow.slice(0, SLOWEST).map(({ file, ms }) => `${file} ${Math.round(ms / 1000)} s`).join(', ')}\n`)
    if (this.#again.length > 0) process.stdout.write(`passed only when run again, each a defect to look for:\n${this.#again.map((name) => `  ${name}\n`).join('')}`)
  }
}
