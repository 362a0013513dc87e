// Stages that stand ready before there is a job: a control group that a process has joined already, a user id, a mounted disk with nothing on it, and that
// process, waiting to be told what it becomes. To make them takes most of a start; so what was asked for lately is made again when nothing else begins.
//
// What waits knows nothing of any job, only the limits of an earlier one of its kind. It is given away once, to one job, and never comes back. How many wait,
// and how much memory they may take, is bounded: the owner's room less what jobs have reserved, zero until somebody says otherwise (`keep`).
import type { ChildProcess } from 'node:child_process'
import type { Cgroup } from './cgroup.ts'
import { OPEN_FILES_MAX } from './driver.ts'
import type { SandboxLimits } from './driver.ts'
import type { BlankDisk } from './work-disk.ts'

/** All that is settled before an order comes. Two orders of the same name could have either of two. */
export type Kind = {
  readonly name: string; readonly limits: Pick<SandboxLimits, 'diskBytes' | 'openFiles'>
  /** At most so much memory while it waits: its control group keeps that until a job takes it. */
  readonly memoryBytes: number
  /** It knows what it becomes, and waits for its order on standard input; else it waits for the words too. */
  readonly knows: boolean
  /** Starts what waits; resolves with its first words on the descriptor for reports, when it is ready. */
  begin(place: Place): { readonly child: ChildProcess; readonly ready: Promise<string> }
}
export type Place = { readonly id: string; readonly uid: number | null; readonly cgroup: Cgroup; readonly disk: BlankDisk }
export type Ready = { readonly kind: Kind; readonly place: Place; readonly child: ChildProcess; /** What it has reported so far. */ readonly said: string }
export type ReadyPorts = { readonly make: (kind: Kind) => Promise<Place>; readonly drop: (place: Place, child: ChildProcess | null) => Promise<void> }
export type ReadyStages = {
  /** The next of this kind will be made when there is a quiet moment. */
  want(kind: Kind): void
  /** As the least wanted, where there is room for another kind: what is usual, before anybody has asked. */
  prime(kind: Kind | null): void
  /** One of this kind, if one waits; either way the next is wanted. */
  take(kind: Kind): Ready | null
  /** How many wait. */
  readonly count: number
  /** So much memory may be taken by what waits. Resolves when what is too much is gone. */
  keep(bytes: number): Promise<void>
  /** Resolves when all that is wanted stands ready, without waiting for a quiet moment. */
  settled(): Promise<void>
  /** All that waits is gone; what is wanted stays wanted. */
  drain(): Promise<void>
}

/** Of a job that says nothing else. */
export const USUAL: Kind['limits'] = { diskBytes: 512 * 1024 * 1024, openFiles: OPEN_FILES_MAX }
/** Nothing is made while jobs begin: so long after the last one. */
const QUIET_MS = 150
/** Kinds that were asked for last; one of each, and a second of the very last. */
const KINDS_MAX = 4
/** Whoever is not ready by then never will be. */
const READY_MS = 60_000

export function createReadyStages({ make, drop }: ReadyPorts): ReadyStages {
  let wanted: Kind[] = [], ready: Ready[] = [], room = 0
  let timer: NodeJS.Timeout | null = null, filling: Promise<void> | null = null

  /** What should wait, the most wanted first. */
  const plan = (): Kind[] => {
    let left = room
    return [...wanted, ...wanted.slice(0, 1)].filter(({ memoryBytes }) => { const fits = memoryBytes <= left; if (fits) left -= memoryBytes; return fits })
  }
  /** What waits beyond the plan, and what the plan lacks. */
  const compare = (): { surplus: Ready[]; lacking: Kind[] } => {
    const lacking = plan(), surplus = ready.filter(({ kind }) => { const at = lacking.findIndex(({ name }) => name === kind.name); if (at >= 0) lacking.splice(at, 1); return at < 0 })
    return { surplus, lacking }
  }
  /** What is being taken down: who says that all is gone waits for what another has begun, too. */
  const going = new Set<Promise<unknown>>()
  const dropAll = async (some: readonly Ready[]): Promise<void> => {
    ready = ready.filter((one) => !some.includes(one))
    const gone = Promise.all(some.map(({ place, child }) => drop(place, child)))
    going.add(gone)
    try { await gone } finally { going.delete(gone) }
  }
  const allGone = async (): Promise<void> => { await Promise.allSettled(going) }

  async function makeOne(kind: Kind): Promise<void> {
    const place = await make(kind)
    let child: ChildProcess | null = null, late: NodeJS.Timeout | undefined
    try {
      const begun = kind.begin(place)
      child = begun.child
      const said = await Promise.race([begun.ready, new Promise<never>((_, reject) => { late = setTimeout(() => reject(new Error('it was not ready in time')), READY_MS) })])
      const one = { kind, place, child, said }
      if (child.exitCode !== null || child.signalCode !== null) throw new Error('it ended while it was to wait')
      ready.push(one)
      // What ends while it waits is of no use to anybody.
      child.once('exit', () => { if (ready.includes(one)) void dropAll([one]).catch(() => undefined /* the next reap takes it down */) })
    } catch (error) { await drop(place, child); throw error } finally { clearTimeout(late) }
  }
  async function fill(): Promise<void> {
    for (;;) {
      const { surplus, lacking: [next] } = compare()
      await dropAll(surplus)
      if (!next) return
      // Jobs of this kind start as they would without us, and say themselves what is wrong; it is tried again when one was asked for.
      try { await makeOne(next) } catch { wanted = wanted.filter(({ name }) => name !== next.name) }
    }
  }
  const fillNow = (): Promise<void> => {
    if (timer) clearTimeout(timer)
    timer = null
    return (filling ??= fill().finally(() => { filling = null }))
  }
  function soon(): void {
    if (timer) clearTimeout(timer)
    timer = null
    if (room === 0) return
    timer = setTimeout(() => { timer = null; void fillNow().catch(() => undefined /* something could not be taken down: the next reap does it */) }, QUIET_MS)
    timer.unref()
  }

  const want = (kind: Kind): void => {
    if (room === 0) return // canaries of a start, say: nobody will ask for their like
    wanted = [kind, ...wanted.filter(({ name }) => name !== kind.name)].slice(0, KINDS_MAX)
    soon()
  }

  return {
    want, get count() { return ready.length },
    prime(kind) {
      if (!kind || room === 0 || wanted.length >= KINDS_MAX || wanted.some(({ name }) => name === kind.name)) return
      wanted = [...wanted, kind]
      soon()
    },
    take(kind) {
      want(kind)
      const one = ready.find((each) => each.kind.name === kind.name && each.child.exitCode === null && each.child.signalCode === null)
      if (!one) return null
      ready = ready.filter((each) => each !== one)
      return one
    },
    async keep(bytes) {
      const more = bytes > room
      room = bytes
      if (more) soon()
      await dropAll(compare().surplus)
      if (more) return
      await filling // what is being made just now looks at the room when it is ready
      await allGone()
    },
    async settled() { await filling; await fillNow() },
    async drain() {
      if (timer) clearTimeout(timer)
      timer = null
      const before = room
      room = 0
      try { await filling; await dropAll(ready); await allGone() } finally { room = before }
    },
  }
}
