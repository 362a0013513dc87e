// Types and lint, the fast half of `npm test`: `npm run check`.
import { spawnSync } from 'node:child_process'

const steps: [string, string[]][] = [
  // Each pure package under its own compiler settings first: there no Node and no DOM type exists, so I/O is a type error.
  ['tsc', ['-p', 'packages/protocol']],
  ['tsc', ['-p', 'packages/domain']],
  ['tsc', ['-p', 'packages/link']],
  // The owner's page runs in a browser: types of its own.
  ['tsc', ['-p', 'apps/agent/src/gui/page']],
  ['tsc', ['-p', '.']],
  // The screens have the browser's types instead of Node's.
  ['tsc', ['-p', 'apps/web']],
  ['oxlint', ['--type-aware', '--deny-warnings', '.']],
  // Data only: programs are set by hand, a thought a line, and a printer would undo it.
  ['oxfmt', ['--check', '.']],
]
let failed = false
for (const [command, args] of steps) {
  process.stdout.write(`check: ${command} ${args.join(' ')}\n`)
  if (spawnSync(command, args, { stdio: 'inherit' }).status !== 0) failed = true
}
process.exit(failed ? 1 : 0)
