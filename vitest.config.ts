import { defineConfig } from 'vitest/config'

// Two workers: CI has two cores, and the suites that start real servers are heavy. Tests wait for states, so the time limit is only
// there to end a hang.
export default defineConfig({
  test: {
    include: ['{apps,packages,tests,tools,bench}/**/*.test.ts'],
    exclude: ['**/node_modules/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
  },
})
