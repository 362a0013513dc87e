// What a seller does not take never reaches the machine, and who asks why is told so.
import { expect, test } from 'vitest'
import { NodePolicy, isImageAllowed } from '@lumaris/protocol'
import type { ImageRef, JobSpecInput, NodeId } from '@lumaris/protocol'
import { aMarket, aSpec, aUser, credits } from '@lumaris/testkit'
import { neverReason, obstacles, pickDriver } from './filter.ts'
import { changesThatHelp } from './relax.ts'
import { needBefore } from './requirement.ts'
import { whyNot } from './why-not.ts'

const buyer = aUser('buyer'), DIGEST = `sha256:${'a'.repeat(64)}`
const image = (name: string, digest = DIGEST): ImageRef => `${name}@${digest}`
const policy = (more: object): NodePolicy => NodePolicy.parse(more)
/** A node with three drivers, which let work out; its owner says so. */
function aNode(more: object) {
  const market = aMarket(), north = market.join('north', { gpus: 2 })
  north.connect()
  const drivers = [['bwrap', 'namespace'], ['container', 'kernel'], ['gvisor', 'kernel']].map(([id, level]) => ({ id, level, runtimes: ['native', 'container'], limits: {}, gang: true, egress: true }))
  market.state.nodes.set(north.id, { ...north.row(), drivers: drivers as never })
  market.act({ kind: 'policy', node: north.id, policy: policy(more) })
  return { market, row: () => north.row(), why: (spec: Partial<JobSpecInput>) => neverReason(north.row(), needBefore(aSpec(spec), credits(100))) }
}

test('images are allowed by registry, by repository and by digest, part by part', () => {
  for (const [name, allowed, is] of [
    ['docker.io/library/python', 'docker.io', true], ['docker.io/library/python', 'docker.io/library', true], ['docker.io/library/python', 'docker.io/library/python', true], ['docker.io/library/python', DIGEST, true], ['docker.io/library/python:3.12', 'docker.io/library/python', true],
    ['docker.io/library/python', 'docker.io/lib', false], ['docker.io/library/python3', 'docker.io/library/python', false], ['docker.io.evil.example/library/python', 'docker.io', false], ['evil.example/docker.io/library', 'docker.io', false], ['docker.io/library/python', `sha256:${'b'.repeat(64)}`, false],
    ['registry.example:5000/x', 'registry.example:5000', true], ['registry.example:5000/x', 'registry.example', false], ['registry.example:5000/x:tag', 'registry.example:5000/x', true],
  ] as const) expect([name, allowed, isImageAllowed(image(name), [allowed])]).toEqual([name, allowed, is])
  for (const wrong of ['python', 'library/python', 'docker.io/', 'docker.io/library/python:3', 'DOCKER.io', 'docker.io/*', 'sha256:abc', '']) expect(NodePolicy.safeParse({ images: [wrong] }).success, wrong).toBe(false)
})

test('each rule stands against its kind of work and no other, with its own reason', () => {
  const gang: Partial<JobSpecInput> = { gang: true, tasks: [{}, {}] }, egress: Partial<JobSpecInput> = { network: { egress: [{ host: 'data.example' }] } }, gpu: Partial<JobSpecInput> = { resources: { gpus: 1 } }
  const python: Partial<JobSpecInput> = { runtime: 'container', image: image('docker.io/library/python') }, scraping: Partial<JobSpecInput> = { tags: ['nightly', 'scraping'] }
  const kinds = { plain: {}, gang, egress, gpu, python, scraping }
  for (const [says, kind, reason] of [
    [{ gangs: false }, 'gang', 'owner_gang'], [{ egress: false }, 'egress', 'owner_egress'], [{ gpus: false }, 'gpu', 'owner_gpu'], [{ images: ['ghcr.io'] }, 'python', 'owner_image'], [{ images: [] }, 'python', 'owner_image'], [{ refusedTags: ['scraping'] }, 'scraping', 'owner_tag'],
  ] as const) {
    const { why } = aNode(says)
    for (const [name, spec] of Object.entries(kinds)) expect([JSON.stringify(says), name, why(spec)]).toEqual([JSON.stringify(says), name, name === kind ? reason : null])
  }
  expect(aNode({ images: ['docker.io/library'] }).why(python)).toBeNull()
})

test('of its drivers only those that its owner takes are used, and only behind walls as strong', () => {
  const only = (more: object, spec: Partial<JobSpecInput> = {}) => { const found = pickDriver(aNode(more).row(), needBefore(aSpec(spec), credits(100))); return typeof found === 'string' ? found : found.id }
  expect([only({}), only({ drivers: ['gvisor'] }), only({ minLevel: 'kernel' }), only({ drivers: ['bwrap'], minLevel: 'kernel' }), only({ drivers: ['qemu'] }), only({ minLevel: 'vm' })]).toEqual(['bwrap', 'gvisor', 'container', 'owner_level', 'owner_driver', 'owner_level'])
  // What no driver could do is no word of its owner's.
  expect(only({ drivers: ['bwrap'] }, { placement: { minLevel: 'vm' } })).toBe('level')
  expect(only({ drivers: ['bwrap'] }, { runtime: 'python' })).toBe('runtime')
})

test('a node is not offered what its owner refuses from the moment it is said; what runs may end; what waited is taken when it is allowed', () => {
  const market = aMarket(), north = market.join('north')
  north.connect()
  market.fund(buyer, credits(100))
  const submit = (more: Partial<JobSpecInput> = {}): void => { market.submit(buyer, aSpec(more)) }
  submit({ tags: ['scraping'] })
  const [before] = market.dispatched(north.id)
  expect(before).toBeDefined()
  market.act({ kind: 'policy', node: north.id, policy: policy({ refusedTags: ['scraping'] }) })
  submit({ tags: ['scraping'] })
  expect(market.dispatched(north.id)).toHaveLength(0)
  // Others of the same shape are another class: the refusal puts nobody to sleep.
  submit()
  expect(market.dispatched(north.id)).toHaveLength(1)
  market.report(before!)
  expect(market.attempt(before!.attempt_id)?.state ?? 'valid').toBe('valid')
  expect(market.dispatched(north.id)).toHaveLength(0)
  market.act({ kind: 'policy', node: north.id, policy: policy({}) })
  expect(market.dispatched(north.id)).toHaveLength(1)
})

test('images are told apart although all else is the same', () => {
  const market = aMarket(), north = market.join('north')
  north.connect()
  market.state.nodes.set(north.id, { ...north.row(), drivers: [{ id: 'container', level: 'kernel', runtimes: ['container'], limits: {} }] })
  market.act({ kind: 'policy', node: north.id, policy: policy({ images: ['ghcr.io/good'] }) })
  market.fund(buyer, credits(100))
  for (const name of ['docker.io/library/python', 'ghcr.io/good/one', 'ghcr.io/goods/one']) market.submit(buyer, aSpec({ runtime: 'container', image: image(name) }))
  expect(market.dispatched(north.id).map((order) => order.image)).toEqual([image('ghcr.io/good/one')])
})

test('the seller reads that it is the policy that stood against it, and the buyer is not told to change what would not help', () => {
  const market = aMarket(), north = market.join('north'), south = market.join('south')
  north.connect(); south.connect()
  market.act({ kind: 'policy', node: north.id, policy: policy({ refusedTags: ['scraping'], drivers: ['gvisor'] }) })
  market.fund(buyer, credits(100))
  market.submit(buyer, aSpec({ tags: ['scraping'] }))
  expect(market.dispatched(south.id)).toHaveLength(1)
  expect(whyNot(market.state, north.row(), market.now).reasons.map(({ reason }) => reason).sort()).toEqual(['owner_driver', 'owner_tag'])
  const need = needBefore(aSpec({ tags: ['scraping'] }), credits(100))
  expect(obstacles(north.row(), need)).toEqual(['owner_driver', 'owner_tag'])
  market.act({ kind: 'will', node: south.id, will: 'paused' })
  expect(changesThatHelp(market.state, need, market.now)).toEqual([])
  // And where a weaker wall would help, it is one that the owner takes: not the strongest of its drivers.
  const { market: other } = aNode({ drivers: ['bwrap'] })
  expect(changesThatHelp(other.state, needBefore(aSpec({ placement: { minLevel: 'vm' } }), credits(100)), other.now).map(({ steps }) => steps)).toEqual([[{ reason: 'level', from: 'vm', to: 'namespace' }]])
  expect(market.act({ kind: 'policy', node: `nod_${'0'.repeat(26)}` as NodeId, policy: policy({}) })).toMatchObject({ refusal: 'not_found' })
})
