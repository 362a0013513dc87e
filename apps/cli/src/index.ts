// The door of the package, for `npm start`: the command line itself, the demo market, and the way things are shown.
export { runCli } from './cli.ts'
export { createContext } from './context.ts'
export type { Context, Flags, Io } from './context.ts'
export { startMarket } from './commands/up.ts'
export type { Market, UpOptions } from './commands/up.ts'
