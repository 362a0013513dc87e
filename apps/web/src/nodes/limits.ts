// What the form about a node's hours and limits shows, and what it asks. A field that is set on the machine itself shows what holds there.
import { OwnerSettings } from '@lumaris/protocol'
import type { NodeSettings, OwnerAsked } from '@lumaris/protocol'

export type Limits = Omit<OwnerSettings, 'fromMarket' | 'logLevel'>
type Parts = { share?: object | undefined; pauseWhen?: object | undefined }
const present = (part: object | undefined): object => Object.fromEntries(Object.entries(part ?? {}).filter(([, value]) => value !== undefined))

/** What was asked, over it what the machine says of the fields that are set there; where neither says anything, what holds there or is usual. */
export function limitsOf({ asked, said }: NodeSettings): Limits {
  const { fromMarket: _machines, logLevel: _its, ...usual } = OwnerSettings.parse({})
  // An agent of before says nothing of what came later.
  const base = (said ? { ...said.settings, share: { ...usual.share, ...said.settings.share }, pauseWhen: { ...usual.pauseWhen, ...said.settings.pauseWhen } } : usual) as Limits, wish = said?.from_market === false ? {} : (asked?.settings ?? {}), parts = wish as Parts
  const local = new Set(said?.local)
  const part = <Name extends 'share' | 'pauseWhen'>(name: Name): Limits[Name] => ({ ...base[name], ...Object.fromEntries(Object.entries(present(parts[name])).filter(([field]) => !local.has(`${name}.${field}`))) })
  return {
    share: part('share'),
    pauseWhen: part('pauseWhen'),
    hours: wish.hours === undefined || local.has('hours') ? base.hours : wish.hours,
    freezeMs: wish.freezeMs === undefined || local.has('freezeMs') ? base.freezeMs : wish.freezeMs,
  }
}
const differing = (now: object, before: object): object => Object.fromEntries(Object.entries(now).filter(([field, value]) => value !== (before as Record<string, unknown>)[field]))

/** What was asked before, and what was changed: a field that nobody touched is not asked. */
export function askOf(before: NodeSettings, shown: Limits, wanted: Limits): OwnerAsked {
  const { share, pauseWhen, ...rest } = before.asked?.settings ?? {}
  return {
    ...rest,
    share: { ...share, ...differing(wanted.share, shown.share) },
    pauseWhen: { ...pauseWhen, ...differing(wanted.pauseWhen, shown.pauseWhen) },
    ...(JSON.stringify(wanted.hours) === JSON.stringify(shown.hours) ? {} : { hours: wanted.hours }),
    ...(wanted.freezeMs === shown.freezeMs ? {} : { freezeMs: wanted.freezeMs }),
  }
}
