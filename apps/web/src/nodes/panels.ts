import type { NodeTab } from './tabs.ts'

/** Where each panel stands, by its id: whoever comes by `#prices` finds it, whichever tab that is. */
export const PANELS: Readonly<Record<string, NodeTab>> = {
  machine: 'live', work: 'live', capacity: 'live', earned: 'price', prices: 'price', estimate: 'price', hours: 'hours', policy: 'takes', remove: 'hours', reputation: 'record', 'why-not': 'record', walls: 'record',
  events: 'events', 'self-test': 'events', attempts: 'events', shown: 'events', heartbeat: 'events',
}
/** Of what follows the `#`; an event of an attempt has an address of its own. */
export const tabOf = (hash: string): NodeTab | undefined => (hash.startsWith('event-') ? 'events' : Object.hasOwn(PANELS, hash) ? PANELS[hash] : undefined)
