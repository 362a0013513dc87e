// Two things of buyers that act by themselves or by others: a wallet that is topped up by itself, whose owner changes the rule now and then; and people who work for an account,
// who come, submit within a limit, are made less, are removed and come again. And what must hold of both.
import { JobSpec, GIB, isRefusal } from '@lumaris/protocol'
import type { MemberRole, UserId } from '@lumaris/protocol'
import type { AutoTopupRow, Command, InvitationRow, JobRow, MemberRow, Submitted } from '@lumaris/domain'
import { virtualChance } from '../../packages/testkit/src/virtual-chance.ts'
import { Client } from './client.ts'
import type { Written } from './database.ts'
import { sha256 } from './world.ts'
import type { World } from './world.ts'

const SAVER = 'usr_buyer0' as UserId, ACCOUNT = 'usr_buyer1' as UserId, PEOPLE = ['usr_mia', 'usr_sam'] as UserId[]
const SPEC = JobSpec.parse({ command: ['work'], env: { SIM_MS: '20000', SIM_EXIT: '0' }, resources: { cpuMillis: 500, memoryBytes: GIB / 2 }, limits: { runMs: 60_000, queueMs: 600_000 } })

export class Purses {
  readonly #world: World
  readonly #client: Client
  readonly #chance
  #made = 0

  constructor(world: World) {
    this.#world = world
    this.#client = new Client(world)
    this.#chance = virtualChance(world.options.seed, 'purses')
    this.#rule()
    this.#every(300_000, () => this.#rule())
    this.#every(40_000, () => this.#member())
  }
  #every(ms: number, act: () => void): void { this.#world.time.after(this.#chance.exponential(ms), () => { if (!this.#world.stormy) return; act(); this.#every(ms, act) }) }

  /** Each rule is another one, so that the auditor knows a new one from a fall that was answered. */
  #rule(): void {
    const add = BigInt(this.#chance.between(200_000, 900_000)), off = this.#chance.happens(0.15)
    this.#client.ask({ kind: 'setAutoTopup', user: SAVER, rule: off ? null : { below: BigInt(this.#chance.between(1_000_000, 8_000_000)), add, most: add + BigInt(this.#chance.between(0, 5_000_000)) } }, () => undefined)
  }

  #member(): void {
    const user = this.#chance.pick(PEOPLE), row = this.#world.db.members.get(`${ACCOUNT} ${user}`), world = this.#world
    const terms = (): { role: MemberRole; limit: bigint | null } => (this.#chance.happens(0.7) ? { role: 'submitter', limit: this.#chance.happens(0.2) ? null : BigInt(this.#chance.between(100_000, 900_000)) } : { role: this.#chance.pick(['viewer', 'manager'] as const), limit: null })
    const about = { account: ACCOUNT, user }
    if (row?.state !== 'active') {
      const codeHash = sha256(`code ${this.#made++}`)
      this.#client.ask({ kind: 'invite', account: ACCOUNT, accountName: 'an account', by: ACCOUNT, byName: 'its owner', email: user, codeHash, invitee: this.#chance.happens(0.5) ? user : null, ...terms() }, (answer) => {
        if (isRefusal(answer)) return
        // Now and then it comes into other hands first.
        const code = (answer as InvitationRow).codeHash, finder = PEOPLE.find((one) => one !== user) as UserId
        if (this.#chance.happens(0.2)) this.#client.ask({ kind: 'acceptInvitation', codeHash: code, user: finder, email: finder, name: finder }, (stolen) => { if (isRefusal(stolen)) world.saw('invitation refused'); else world.fail('I47', `${finder} came in by the invitation of ${user}`) })
        world.time.after(this.#chance.between(100, 60_000), () => this.#client.ask({ kind: 'acceptInvitation', codeHash: code, user, email: user, name: user }, (joined) => world.saw(isRefusal(joined) ? 'invitation refused' : 'member joined')))
      })
      return
    }
    const what = this.#chance.weighted({ submit: 65, change: 15, remove: 12, manage: 8 })
    if (what === 'change') return this.#client.ask({ kind: 'changeMember', ...about, by: ACCOUNT, ...terms() }, () => undefined)
    if (what === 'remove') return this.#client.ask({ kind: 'removeMember', ...about, by: this.#chance.happens(0.3) ? user : ACCOUNT }, (answer) => { if (isRefusal(answer)) return; world.saw('member removed'); this.#submitBy(user) })
    // Whoever is no manager tries it too.
    if (what === 'manage') return this.#client.ask({ kind: 'changeMember', account: ACCOUNT, by: user, user: PEOPLE.find((one) => one !== user) as UserId, role: 'manager', limit: null }, (answer) => { if (!isRefusal(answer)) world.fail('I47', `${user} made a manager of ${ACCOUNT}`) })
    this.#submitBy(user)
  }

  #submitBy(user: UserId): void {
    const world = this.#world
    const cap = BigInt(this.#chance.between(60_000, 400_000)), n = this.#made++, by = { user, name: user }
    const sent: Command & { asked: unknown } = {
      kind: 'submit', buyer: ACCOUNT, id: null, key: `submit:${ACCOUNT}:by ${n}`, bodyHash: `by ${n}`, spec: SPEC, specHash: '', quote: null, cap, noWait: false, by,
      asked: { request: `req ${n}`, from: 'there', member: { account: ACCOUNT, user, name: user, least: 'submitter' } },
    }
    this.#client.ask(sent, (answer) => {
      if (isRefusal(answer)) { if (answer.refusal === 'member_limit') world.saw('member at his limit'); if (answer.refusal === 'not_a_member') world.saw('removed member refused'); return }
      const { job } = answer as Submitted
      if (this.#chance.happens(0.2)) world.time.after(this.#chance.between(100, 60_000), () => this.#client.ask({ kind: 'cancel', job: job.id }, () => undefined))
    })
  }
}

/** I46: of a wallet that is topped up by itself, each fall is answered once, with what its rule says, and never beyond its month. I47: who acts for an account works there. */
export class PurseAuditor {
  readonly #world: World
  /** What such top-ups came to, by the entries alone. */
  readonly #added = new Map<string, bigint>()
  readonly #active = new Map<string, MemberRow>()
  constructor(world: World) { this.#world = world }

  committed(written: readonly Written[]): void {
    const world = this.#world, touched = new Set<string>()
    for (const { change, before } of written) {
      if (change.kind === 'entry' && change.row.kind === 'topup') {
        const [, user, key] = /^topup:([^:]+):([0-9a-f]{64})$/.exec(change.row.id) ?? []
        if (user && key) this.#added.set(user, (this.#added.get(user) ?? 0n) + (change.row.postings[0]?.amount ?? 0n))
      }
      if (change.kind === 'autoTopup') this.#topUp(before as AutoTopupRow | undefined, change.row)
      if (change.kind === 'member') {
        const name = `${change.row.account} ${change.row.user}`
        touched.add(name)
        if (change.row.state === 'active') this.#active.set(name, change.row)
        else this.#active.delete(name)
      }
      if (change.kind === 'job' && change.row.by && !before) {
        const name = `${change.row.buyer} ${change.row.by.user}`, row = this.#active.get(name)
        if (!row || row.role === 'viewer') world.fail('I47', `${change.row.id} is of ${name}, who is ${row?.role ?? 'nobody there'}`, [change.row.id])
        touched.add(name)
      }
    }
    for (const name of touched) this.#used(name)
  }

  #topUp(before: AutoTopupRow | undefined, row: AutoTopupRow): void {
    const { db, fail, saw } = { db: this.#world.db, fail: this.#world.fail.bind(this.#world), saw: this.#world.saw.bind(this.#world) }
    const isNew = !before || before.below !== row.below || before.add !== row.add || before.most !== row.most || before.on !== row.on
    const [run] = row.runs, ran = run !== undefined && run !== before?.runs[0] && (before?.runs.length !== row.runs.length || before.number !== row.number)
    if (!ran) {
      if (row.armed && before?.armed === false && !isNew && (db.balances.get(`buyer:${row.user}:available`) ?? 0n) < BigInt(row.below)) fail('I46', `${row.user} is armed again below the bound`)
      return
    }
    if (run.outcome === 'limit') saw('auto top-up at its limit')
    if (run.outcome !== 'added') return
    saw('auto top-up')
    const added = this.#added.get(row.user) ?? 0n
    if (before?.armed !== true && before?.limited === undefined) fail('I46', `${row.user} was topped up twice for one fall`)
    if (added !== BigInt(row.added) || added > BigInt(row.most)) fail('I46', `${row.user} was topped up by ${added}, says ${row.added}, and may be by ${row.most}`)
    if (BigInt(run.available) >= BigInt(row.below) || run.amount !== row.add) fail('I46', `${row.user} had ${run.available} and was topped up by ${run.amount}`)
  }

  #used(name: string): void {
    const row = this.#active.get(name)
    if (!row) return
    const held = (job: JobRow): bigint => (job.endedAt === null ? job.cap : job.cost)
    const sum = [...this.#world.db.jobs.values()].reduce((total, job) => (job.buyer === row.account && job.by?.user === row.user && job.createdAt >= row.since ? total + held(job) : total), 0n)
    if (sum !== BigInt(row.used)) this.#world.fail('I47', `${name} has used ${sum} and says ${row.used}`)
  }
}
