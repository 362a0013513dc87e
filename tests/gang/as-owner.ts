// An agent without root, as far as the network of a gang needs one: run by attacks.test.ts under a user id of its own. argv: a directory, the TUN device.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createBwrapDriver, createWall } from '../../apps/agent/src/drivers/bwrap.ts'
import { createStages } from '../../apps/agent/src/drivers/stage.ts'
import { openTun } from '../../apps/agent/src/mesh/tun.ts'
import type { Tun } from '../../apps/agent/src/mesh/tun.ts'

const [dir = '', device = ''] = process.argv.slice(2), MIB = 1024 * 1024
const stages = await createStages({ scratch: join(dir, 'stages'), owner: `owner${process.pid}` })
const wall = createWall({ scratch: join(dir, 'wall'), stages })
if (!wall) throw new Error('bubblewrap does not work here')
const workDir = join(dir, 'work')
mkdirSync(workDir)
let tun: Tun | null = null
const script = `
import socket
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.connect(('10.99.0.2', 7)); u.send(b'x')
print([n for _, n in socket.if_nameindex()], u.getsockname()[0])`
const sandbox = await createBwrapDriver(wall).start({
  attemptId: 'att_owner', runtime: 'native', command: ['/usr/bin/python3', '-c', script], env: {}, workDir, limits: { cpuMillis: 1000, memoryBytes: 256 * MIB, pids: 64, diskBytes: MIB, outputBytes: MIB, wallMs: 30_000, openFiles: 64 },
  network: { async attach(pid) { tun = await openTun({ pid, address: '10.99.0.1', mtu: 9000, scratch: join(dir, 'deno'), device, onLost: (why) => console.error(why), onPacket(packet) { if ((packet[0] as number) >> 4 === 4) console.log('packet', packet.subarray(12, 16).join('.'), packet.subarray(16, 20).join('.')) } }) } },
})
sandbox.stdout.pipe(process.stdout)
sandbox.stderr.pipe(process.stderr)
const end = await sandbox.exit
if (end.cause !== 'exit') console.error(end)
const status = readFileSync(`/proc/${(tun as Tun | null)?.pid ?? 'self'}/status`, 'utf8')
console.log(`helper uid ${/^Uid:\s+(\d+)/m.exec(status)?.[1]} caps ${/^CapEff:\s+(\w+)/m.exec(status)?.[1]}`)
await (tun as Tun | null)?.close()
