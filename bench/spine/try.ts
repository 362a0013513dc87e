import { measureSpine } from '/work/main/bench/spine/measure.ts'
console.log(await measureSpine({jobs: Number(process.argv[2] ?? 10000), warmUp: 1000, inFlight: 256, latencyJobs: 60, everyMs: 50, nodes: 100}, process.argv[3] ?? '', (l)=>console.log(l)))
