export const TABS = { live: 'Live', price: 'Earnings and price', hours: 'Hours and limits', takes: 'What it takes', record: 'Record', events: 'Events and evidence' } as const
export type NodeTab = keyof typeof TABS
export const NODE_TABS = Object.keys(TABS) as [NodeTab, ...NodeTab[]]
