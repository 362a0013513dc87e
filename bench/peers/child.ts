// The process in which one peer is measured, once. Ends with its parent: an orphan would go on loading the machine.
import { measure } from './load.ts'
import type { FromChild, PeerModule, ToChild } from './peer.ts'

const say = (message: FromChild): void => { process.send?.(message) }
process.on('disconnect', () => process.exit(1))
process.on('message', (order: ToChild) => {
  void (async () => {
    try {
      const { peers } = await import(order.module) as PeerModule
      const peer = peers.find((each) => each.name === order.name)
      if (!peer) throw new Error(`${order.module} has no peer ${order.name}`)
      const queue = await peer.openQueue(order.url)
      const measures = await measure(queue, order.load, (progress) => say({ progress }))
      await queue.close()
      say({ measures })
    } catch (error) {
      say({ error: error instanceof Error ? error.stack ?? error.message : String(error) })
    }
  })()
})
