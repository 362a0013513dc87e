import { defineConfig } from 'vitest/config'

// Two workers: CI has two cores, and the suites that start real servers are heavy. Tests wait for states, so the time limits
// are only there to end a hang: a second of vitest's own for a poll was too little on a busy machine.
export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    teardownTimeout: 20_000,
    expect: { poll: { timeout: 60_000 } },
    // Browsers come last, by themselves: beside them, markets whose times are a hundredth of the real ones would lose nodes that are only slow.
    projects: [
      { extends: true, test: { name: 'all', include: ['{apps,packages,tests,tools,bench}/**/*.test.ts'], exclude: ['**/node_modules/**', 'tests/web/**'], sequence: { groupOrder: 0 } } },
      { extends: true, test: { name: 'web', include: ['tests/web/**/*.test.ts'], sequence: { groupOrder: 1 } } },
    ],
  },
})
