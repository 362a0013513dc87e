// The way of a machine from one agent to another, with what may go wrong on it: everything real but the machines, which are a memory and a disk of bytes.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { AgentInput } from '@lumaris/domain'
import type { AttemptId, JobDispatch, LivePeer, NodeId, Receive } from '@lumaris/protocol'
import { newIdentity } from '../../apps/agent/src/identity.ts'
import { silent } from '../../apps/agent/src/log.ts'
import { openMeshListener } from '../../apps/agent/src/mesh/direct.ts'
import type { Departure, Guest, IsolationDriver, Sandbox } from '../../apps/agent/src/drivers/driver.ts'
import { createLiveMoves } from '../../apps/agent/src/moves/live-moves.ts'
import { createRelay } from '../../apps/server/src/gateway/relay.ts'

const ATTEMPT = `att_${'0'.repeat(26)}` as AttemptId, NODES = ['a', 'b'].map((letter) => `nod_${letter.repeat(26)}` as NodeId) as [NodeId, NodeId]
const MEMORY = randomBytes(6 * 2 ** 20), DISK = 2 ** 20
type Machine = { memory: Buffer; disk: Buffer; taken: boolean; dropped: boolean; whole: boolean }

/** Two agents' hands, and a market that tells each of the other. */
async function aPair({ straight = false, tap = (frame: Buffer): void => void frame } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-live-'))
  const relay = createRelay({ authenticate: (token) => { const node = NODES[Number(token)]; return node ? { node } : null }, membership: (node, attempt) => (attempt === ATTEMPT ? { gang: 'one', rank: NODES.indexOf(node), size: 2 } : null), tap })
  const http = createServer()
  http.on('upgrade', (request, socket, head) => relay.upgrade(request, socket, head))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const server = `http://127.0.0.1:${(http.address() as AddressInfo).port}`
  const machines: Machine[] = []
  const driver: Pick<IsolationDriver, 'id' | 'receive'> = {
    id: 'qemu',
    async receive(_job, from): Promise<Guest> {
      if (from.maker !== 'm 1') throw new Error(`it runs in ${from.maker}, and can go on only in that`)
      const machine: Machine = { memory: Buffer.alloc(0), disk: Buffer.alloc(from.diskBytes), taken: false, dropped: false, whole: false }, pieces: Buffer[] = []
      machines.push(machine)
      return {
        async memory(piece) { pieces.push(Buffer.from(piece)) },
        async write(at, data) { data.copy(machine.disk, at) },
        async zero(at, length) { machine.disk.fill(0, at, at + length) },
        async complete() { machine.memory = Buffer.concat(pieces); machine.whole = true },
        async take() { machine.taken = true; return {} as Sandbox },
        async drop() { if (!machine.taken) machine.dropped = true },
      }
    },
  }
  const listeners = straight ? await Promise.all(NODES.map(() => openMeshListener({ host: '127.0.0.1', port: 0 }))) : [null, null]
  const said: AgentInput[][] = [[], []], identities = [newIdentity(), newIdentity()] as const
  const sides = NODES.map((node, i) => createLiveMoves({
    drivers: new Map([['qemu', driver as IsolationDriver]]), makerOf: () => 'm 1', workDir: dir, identity: identities[i as 0 | 1], node, server, token: () => String(i), listener: async () => listeners[i] ?? null, log: silent,
    input: (input) => { said[i]?.push(input) }, ...(straight ? { mayDial: (host: string) => host === '127.0.0.1' } : {}),
  })) as [ReturnType<typeof createLiveMoves>, ReturnType<typeof createLiveMoves>]
  onTestFinished(async () => {
    for (const side of sides) await side.close()
    for (const listener of listeners) await listener?.close()
    await relay.close()
    await new Promise((resolve) => http.close(resolve))
    expect(readdirSync(dir)).toEqual([])
    rmSync(dir, { recursive: true })
  })
  const order = { attempt_id: ATTEMPT, fence: 1, driver: 'qemu' } as JobDispatch
  const receive = (peer?: LivePeer, more: Partial<Receive> = {}): Receive => ({ type: 'receive', attempt_id: ATTEMPT, fence: 1, driver: 'qemu', maker: 'm 1', runtime: 'native', resources: { memoryBytes: 1, cpuMillis: 1, diskBytes: DISK } as Receive['resources'], limits: { runMs: 1, processes: 1, outputBytes: 1 } as Receive['limits'], ...(peer ? { peer } : {}), ...more })
  const offered = async (i: 0 | 1): Promise<LivePeer> => {
    await expect.poll(() => said[i]?.findLast(({ kind }) => kind === 'liveReady')).toBeTruthy()
    const found = said[i]?.findLast((one) => one.kind === 'liveReady') as Extract<AgentInput, { kind: 'liveReady' }>
    return { ...found.mesh, node: NODES[i] as NodeId, nodeKey: identities[i].publicKey }
  }
  const [source, target] = sides
  /** Both are told of each other. */
  const meet = async (): Promise<{ from: LivePeer; into: LivePeer }> => {
    for (const heard of said) heard.length = 0
    await source.readyToLeave(order)
    target.receive(receive())
    return { from: await offered(0), into: await offered(1) }
  }
  let stood = 0
  const sandbox = (act: (to: Departure) => Promise<void>): Sandbox => ({ leave: act }) as Sandbox
  const whole = sandbox(async (to) => {
    await to.begin(DISK)
    await to.write(4096, Buffer.from('on the disk'))
    await to.memory(MEMORY)
    await to.zero(4096, 2)
    to.stood()
  })
  const leave = (into: LivePeer, what = whole, until = new AbortController().signal) => source.leave(order, what, into, { stood() { stood++ }, until })
  const orderOf = (key: string, more: object = {}): JobDispatch => ({ driver: 'qemu', resume: { number: 1, kind: 'live', memory: { driver: 'qemu', maker: 'm 1', key, node: NODES[0], publicKey: '', attempt: ATTEMPT, ...more } } }) as unknown as JobDispatch
  return { source, target, said, machines, identities, receive, meet, leave, sandbox, orderOf, relay, stood: () => stood, dir }
}

for (const straight of [false, true]) {
  test(`memory and disk arrive as they were, ${straight ? 'straight from agent to agent' : 'over the relay, which can read none of it'}; only the order with the key takes them over`, async () => {
    const frames: Buffer[] = [], { target, machines, receive, meet, leave, orderOf, stood } = await aPair({ straight, tap: (frame) => { frames.push(Buffer.from(frame)) } })
    const { from, into } = await meet()
    target.receive(receive(from))
    const left = await leave(into)
    expect([left.way, stood()]).toEqual([straight ? 'direct' : 'relay', 1])
    const [machine] = machines as [Machine]
    expect(machine.memory.equals(MEMORY)).toBe(true)
    expect(machine.disk.subarray(4096, 4107).toString('latin1')).toBe('\0\0 the disk')
    if (straight) expect(frames.filter(({ length }) => length > 200)).toEqual([])
    else { const all = Buffer.concat(frames); expect(all.length).toBeGreaterThan(MEMORY.length); for (const plain of [MEMORY.subarray(0, 64), MEMORY.subarray(-64), Buffer.from('on the disk'), Buffer.from(left.lock.key, 'base64url')]) expect(all.includes(plain)).toBe(false) }
    const other = `${left.lock.key.slice(0, -2)}${left.lock.key.endsWith('A') ? 'B' : 'A'}A`
    expect(() => target.claim(orderOf(other))).toThrow('not the one which the market means')
    expect(() => target.claim(orderOf(left.lock.key, { node: NODES[1] }))).toThrow('not the one which the market means')
    expect(() => target.claim(orderOf(left.lock.key, { attempt: `att_${'1'.repeat(26)}` }))).toThrow('is not here')
    const guest = target.claim(orderOf(left.lock.key))
    await guest.take({} as never)
    await guest.drop()
    expect(machine).toMatchObject({ taken: true, dropped: false })
    expect(() => target.claim(orderOf(left.lock.key))).toThrow('is not here') // once
  })
}

test('who has not shown that it is the node which the market names sends nothing here, and is sent nothing', async () => {
  const { target, said, machines, receive, meet, leave, identities } = await aPair(), { from, into } = await meet()
  await expect(leave({ ...into, nodeKey: identities[0].publicKey })).rejects.toThrow('not shown that it is the node')
  target.receive(receive({ ...from, node: NODES[1] }))
  await expect.poll(() => said[1]?.at(-1)).toMatchObject({ kind: 'receiveFailed', says: expect.stringContaining('not shown that it is the node') })
  expect(machines).toEqual([])
})

test('a machine of another version is not received, and the one who sends it runs on', async () => {
  const { target, said, receive } = await aPair()
  target.receive(receive(undefined, { maker: 'm 2' }))
  await expect.poll(() => said[1]?.at(-1)).toMatchObject({ kind: 'receiveFailed', says: expect.stringContaining('receives nothing of m 2') })
})

test('a piece that is lost on the way ends the move on both sides; what had come is taken away', async () => {
  let count = 0
  const { target, machines, said, receive, meet, leave } = await aPair({ tap: (frame) => { if (frame.length > 1_000 && ++count === 40) frame[frame.length - 1] = (frame.at(-1) as number) ^ 1 } })
  const { from, into } = await meet()
  target.receive(receive(from))
  await expect(leave(into)).rejects.toThrow('the way between the two agents is over')
  await expect.poll(() => said[1]?.at(-1), { timeout: 60_000 }).toMatchObject({ kind: 'receiveFailed' })
  await expect.poll(() => machines[0]).toMatchObject({ whole: false, dropped: true })
}, 300_000)

test('the owner of the other node takes it back: what is on its way stays where it is, what is there already waits', async () => {
  const { target, machines, receive, meet, leave, sandbox, orderOf } = await aPair(), first = await meet()
  target.receive(receive(first.from))
  await expect(leave(first.into, sandbox(async (to) => { await to.begin(DISK); await target.dropArriving(); for (;;) await to.memory(MEMORY) }))).rejects.toThrow()
  expect(machines[0]).toMatchObject({ dropped: true })
  const second = await meet()
  expect(second.into.public_key).not.toBe(first.into.public_key)
  target.receive(receive(second.from))
  const left = await leave(second.into)
  await target.dropArriving()
  await target.claim(orderOf(left.lock.key)).take({} as never)
  expect(machines[1]).toMatchObject({ whole: true, taken: true })
}, 300_000)

test('a machine that breaks while it leaves is told to the market by nobody here, and can leave again with other keys', async () => {
  const { target, receive, meet, leave, sandbox } = await aPair(), first = await meet()
  target.receive(receive(first.from))
  await expect(leave(first.into, sandbox(async (to) => { await to.begin(DISK); throw new Error('it could not be sent') }))).rejects.toThrow('it could not be sent')
  await target.drop(ATTEMPT)
  const second = await meet()
  expect(second.from.public_key).not.toBe(first.from.public_key)
  target.receive(receive(second.from))
  expect((await leave(second.into)).saved.size).toBeGreaterThan(MEMORY.length)
}, 300_000)
