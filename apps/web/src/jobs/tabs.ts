export const TABS = { parts: 'Parts', logs: 'Logs', results: 'Results', cost: 'Cost', why: 'Why here', history: 'History', spec: 'Request' } as const
export type JobTab = keyof typeof TABS
export const JOB_TABS = Object.keys(TABS) as [JobTab, ...JobTab[]]
