// The network namespace of a sandbox, for whoever makes something in it.
import { readlinkSync } from 'node:fs'

/** As a path. Throws where it is the machine's own: the one mistake that would matter is a door or an interface there. */
export function netnsOf(pid: number): string {
  const netns = `/proc/${pid}/ns/net`
  if (readlinkSync(netns) === readlinkSync('/proc/self/ns/net')) throw new Error('the sandbox has no network namespace of its own')
  return netns
}
