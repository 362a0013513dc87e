// One rank's agent, in a process of its own, told by main.ts what to do.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { MeshPeer } from '@lumaris/protocol'
import { openMeshListener } from '../../apps/agent/src/mesh/direct.ts'
import { prepareMesh } from '../../apps/agent/src/mesh/mesh.ts'
import { startDriver, startRank } from '../../tests/gang/rig.ts'
import type { Rank } from '../../tests/gang/rig.ts'

type Order = { rank: number; size: number; attempt: Rank['attempt']; node: Rank['node']; token: string; server: string; direct: boolean; mtu: number; command: string[] }
const heard = <T>(): Promise<T> => new Promise((resolve) => { process.once('message', (message) => resolve(message as T)) })
const order = await heard<Order>()
const driver = await startDriver(`bench${order.rank}`), listener = order.direct ? await openMeshListener({ host: '127.0.0.1', port: 0 }) : null
const prepared = prepareMesh({ attemptId: order.attempt, server: order.server, token: () => order.token, listener, scratch: join(driver.scratch, 'mesh'), mayDial: () => true, mtu: order.mtu })
process.send?.(prepared.offer)
const peers = await heard<MeshPeer[]>(), mesh = prepared.join({ rank: order.rank, size: order.size }, peers)
const { done } = await startRank(driver, { ...order, prepared, peers, mesh, listener }, order.command)
const { end, out, err } = await done
// Ticks of a hundredth of a second, in user and in kernel mode.
const helperMs = readFileSync(`/proc/${mesh.helperPid}/stat`, 'utf8').split(') ')[1]?.split(' ').slice(11, 13).reduce((sum, ticks) => sum + Number(ticks) * 10, 0)
const { rss } = process.memoryUsage(), { user, system } = process.cpuUsage()
process.send?.({ out, err, cause: end.cause, code: end.code, stats: mesh.stats(), rss, cpuMs: Math.round((user + system) / 1000), helperMs })
await prepared.close()
await listener?.close()
await driver.close()
process.disconnect()
