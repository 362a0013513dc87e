import type { Command } from 'commander'
import type { WithContext } from './cli.ts'

/** A command as the overview knows it. Its module is loaded when it is called. */
export type CommandEntry = { readonly name: string; readonly summary: string; readonly hidden?: boolean; readonly load: () => Promise<{ define(command: Command, withContext: WithContext): void }> }

export const COMMANDS: readonly CommandEntry[] = [
  { name: 'up', summary: 'Start a whole market on this machine: server, sellers, a buyer with credits', load: () => import('./commands/up.ts') },
  { name: 'run', summary: 'Run a program on the market as if it were here', load: () => import('./commands/run.ts') },
  { name: 'map', summary: 'Split a piece of work over many nodes, and merge the results', load: () => import('./commands/map.ts') },
  { name: 'retry', summary: 'Repeat the parts of a map that failed', load: () => import('./commands/retry.ts') },
  { name: 'quote', summary: 'What a job would cost, and when it could start', load: () => import('./commands/quote.ts') },
  { name: 'submit', summary: 'Submit a job and go on with something else', load: () => import('./commands/submit.ts') },
  { name: 'jobs', summary: 'My jobs, newest first', load: () => import('./commands/jobs.ts') },
  { name: 'job', summary: 'A job and its attempts', load: () => import('./commands/job.ts') },
  { name: 'logs', summary: 'What a job wrote; -f goes on live', load: () => import('./commands/logs.ts') },
  { name: 'results', summary: 'Fetch the files of a job', load: () => import('./commands/results.ts') },
  { name: 'cancel', summary: 'Cancel a job; what ran is billed, the rest comes back', load: () => import('./commands/cancel.ts') },
  { name: 'explain', summary: 'Why here, why this price, why waiting', load: () => import('./commands/explain.ts') },
  { name: 'wait-for', summary: 'Wait until nodes with room for such a job appear', load: () => import('./commands/wait-for.ts') },
  { name: 'receipt', summary: 'Show or verify the receipt of an attempt', load: () => import('./commands/receipt.ts') },
  { name: 'wallet', summary: 'My balances, and every movement of my money', load: () => import('./commands/wallet.ts') },
  { name: 'topup', summary: 'Add credits', load: () => import('./commands/topup.ts') },
  { name: 'agent', summary: 'Let this machine join a market as a node', load: () => import('./commands/agent.ts') },
  { name: 'images', summary: 'Make the machine that jobs of level vm run in', load: () => import('./commands/images.ts') },
  { name: 'top', summary: 'Watch the agent on this machine, in the terminal', load: () => import('./commands/top.ts') },
  { name: 'nodes', summary: 'My nodes', load: () => import('./commands/nodes.ts') },
  { name: 'node', summary: 'Show, explain, pause, resume or price a node', load: () => import('./commands/node.ts') },
  { name: 'market', summary: 'The matchmaking table, for operators', load: () => import('./commands/market.ts') },
  { name: 'login', summary: 'Sign in to a market', load: () => import('./commands/login.ts') },
  { name: 'logout', summary: 'Forget the key of this profile, and revoke it', load: () => import('./commands/logout.ts') },
  { name: 'whoami', summary: 'Who I am, and where', load: () => import('./commands/whoami.ts') },
  { name: 'keys', summary: 'List, create and revoke API keys', load: () => import('./commands/keys.ts') },
  { name: 'doctor', summary: 'Check everything that could be wrong', load: () => import('./commands/doctor.ts') },
  { name: 'completion', summary: 'A script that completes commands in bash, zsh or fish', load: () => import('./commands/completion.ts') },
  { name: 'complete', summary: 'What could come next (called by the completion scripts)', hidden: true, load: () => import('./commands/complete.ts') },
  { name: 'version', summary: 'The version of this program and of the market', load: () => import('./commands/version.ts') },
]
