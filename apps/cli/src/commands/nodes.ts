import type { Command } from 'commander'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { amountOf } from '../ui/money.ts'
import { agoText, sizeText, stamp } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris nodes\n  lumaris --as admin nodes\n').action(withContext(nodes))
}

async function nodes(context: Context): Promise<void> {
  const now = context.io.now()
  await context.showList((await context.client()).nodes(), [
    { title: 'node', value: (node) => node.id },
    { title: 'name', value: (node) => node.name, shrinks: true },
    { title: 'state', value: (node) => node.state, state: true },
    { title: 'running', value: (node) => node.running, right: true },
    { title: 'cores', value: (node) => `${node.reserved.cpuMillis / 1000}/${node.capacity.cpuMillis / 1000}`, right: true },
    { title: 'memory', value: (node) => `${node.reserved.memoryBytes}/${node.capacity.memoryBytes}`, shown: (node) => `${sizeText(node.reserved.memoryBytes)}/${sizeText(node.capacity.memoryBytes)}`, right: true },
    { title: 'drivers', value: (node) => node.drivers.map((driver) => driver.id).join(' '), shrinks: true },
    { title: 'core-hour', value: (node) => amountOf(node.prices.cpuHour), right: true },
    { title: 'done', value: (node) => node.succeeded, right: true },
    { title: 'seen', value: (node) => stamp(node.lastSeenAt), shown: (node) => agoText(node.lastSeenAt, now) },
  ], (node) => node.id, 'No nodes of yours. Let a machine join: lumaris agent join')
}
