import type { Command } from 'commander'
import type { Node } from '@lumaris/protocol'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { amountOf } from '../ui/money.ts'
import { agoText, sizeText, stamp } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  withAll(command).addHelpText('before', 'Examples:\n  lumaris nodes\n  lumaris --as admin nodes\n').action(withContext(nodes))
}

export const withAll = (command: Command): Command => command.option('--all', 'those that were removed too')

export async function nodes(context: Context, options: { all?: true }): Promise<void> {
  const now = context.io.now(), client = await context.client()
  const shown = async function* (): AsyncGenerator<Node> { for await (const node of client.nodes()) if (options.all || node.state !== 'retired') yield node }
  await context.showList(shown(), [
    { title: 'node', value: (node) => node.id },
    { title: 'name', value: (node) => node.name, shrinks: true },
    { title: 'state', value: (node) => node.state, state: true },
    { title: 'running', value: (node) => node.running, right: true },
    { title: 'cores', value: (node) => `${node.reserved.cpuMillis / 1000}/${node.capacity.cpuMillis / 1000}`, right: true },
    { title: 'memory', value: (node) => `${node.reserved.memoryBytes}/${node.capacity.memoryBytes}`, shown: (node) => `${sizeText(node.reserved.memoryBytes)}/${sizeText(node.capacity.memoryBytes)}`, right: true },
    { title: 'drivers', value: (node) => node.drivers.map((driver) => driver.id).join(' '), shrinks: true },
    { title: 'core-hour', value: (node) => amountOf(node.prices.cpuHour), right: true },
    { title: 'done', value: (node) => node.succeeded, right: true },
    { title: 'agent', value: (node) => node.agentVersion },
    { title: 'seen', value: (node) => stamp(node.lastSeenAt), shown: (node) => agoText(node.lastSeenAt, now) },
  ], (node) => node.id, 'No nodes of yours. Let a machine join: lumaris agent join')
}
