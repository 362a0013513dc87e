import type { Command } from 'commander'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { amountOf, creditsOf } from '../ui/money.ts'
import { agoText, sizeText, stamp } from '../ui/time.ts'

export function define(command: Command, withContext: WithContext): void {
  const summary = 'nodes, waiting work and the last decisions, as matching sees them'
  command.addHelpText('before', 'Examples:\n  lumaris --as admin market table\n').command('table').summary(summary).description(summary).action(withContext(table))
}

async function table(context: Context): Promise<void> {
  const found = await (await context.client()).marketTable()
  if (context.flags.json || context.flags.jsonLines) return context.showThing(found, [])
  const now = context.io.now()
  await context.showTable('Nodes', found.nodes, [
    { title: 'name', value: (node) => node.name, shrinks: true }, { title: 'state', value: (node) => node.state, state: true }, { title: 'region', value: (node) => node.region }, { title: 'level', value: (node) => node.level ?? '' },
    { title: 'cores free', value: (node) => `${node.free.cpuMillis / 1000}/${node.capacity.cpuMillis / 1000}`, right: true },
    { title: 'memory free', value: (node) => `${node.free.memoryBytes}/${node.capacity.memoryBytes}`, shown: (node) => `${sizeText(node.free.memoryBytes)}/${sizeText(node.capacity.memoryBytes)}`, right: true },
    { title: 'gpus free', value: (node) => `${node.free.gpus}/${node.capacity.gpus}${node.capacity.gpuModel ? ` ${[node.capacity.gpuModel, node.capacity.gpuProfile].filter(Boolean).join(' ')}` : ''}`, right: true },
    { title: 'core-hour', value: (node) => amountOf(node.cpuHour), right: true }, { title: 'reliable', value: (node) => `${(node.reliability * 100).toFixed(1)} %`, right: true }, { title: 'running', value: (node) => node.running, right: true },
  ], 'No node has joined.')
  await context.showTable('Waiting', found.lines, [
    { title: 'asks for', value: (line) => line.need, shrinks: true }, { title: 'waiting', value: (line) => line.waiting, right: true },
    { title: 'since', value: (line) => stamp(line.oldestAt), shown: (line) => agoText(line.oldestAt, now) }, { title: 'line', value: (line) => (line.asleep ? 'asleep until room comes' : 'awake') }, { title: 'first', value: (line) => line.job },
  ], 'Nobody waits.')
  await context.showTable('Last decisions', found.decisions.slice(0, 20), [
    { title: 'when', value: (one) => stamp(one.at), shown: (one) => agoText(one.at, now) }, { title: 'node', value: (one) => one.nodeName, shrinks: true }, { title: 'asked for', value: (one) => one.need, shrinks: true },
    { title: 'score', value: (one) => creditsOf(one.total), right: true }, { title: 'job', value: (one) => one.job },
  ], 'Nothing has been placed since this market was started.')
}
