// The relay in a process of its own; argv: how many ranks. Says where it is, and who may come.
import { startRelay } from '../../tests/gang/rig.ts'

const rig = await startRelay(), size = Number(process.argv[2])
process.send?.({ url: rig.url, seats: Array.from({ length: size }, (_, rank) => rig.seat('bench', rank)) })
process.once('message', () => { process.send?.(rig.relay.stats()) })
process.once('disconnect', () => { void rig.close() })
