import { simulate } from './simulate.ts'
const seed = Number(process.argv[2] ?? 1)
const started = performance.now()
const o = simulate({ seed, hours: Number(process.argv[3] ?? 2) })
console.log(o.violation ? `${o.violation.message}\n${o.violation.trace.join('\n')}` : 'ok', { ...o, violation: undefined, seen: undefined }, Math.round(performance.now() - started))
if (process.argv[4]) console.log(Object.entries(o.seen))
