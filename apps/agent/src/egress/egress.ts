// The outgoing connections of one attempt: the proxy, the door to it in the sandbox, and the variables by which programs find it.
import { EGRESS_PORT, rankHosts } from '@lumaris/protocol'
import type { EgressRule, JobDispatch } from '@lumaris/protocol'
import type { SandboxEgress } from '../drivers/driver.ts'
import { openDoor } from './door.ts'
import { createEgressProxy } from './proxy.ts'
import type { EgressMeter, EgressOptions } from './proxy.ts'

/** What the owner allows, and for tests what stands in place of the internet. Nothing here is read from a file or a variable. */
export type EgressConfig = Pick<EgressOptions, 'limits' | 'reachable' | 'resolve'>
export type AttemptEgress = { readonly door: SandboxEgress; readonly env: Readonly<Record<string, string>>; meter(): EgressMeter; close(): Promise<void> }

export function openEgress(config: EgressConfig, rules: readonly EgressRule[], around: readonly string[] = []): AttemptEgress {
  const proxy = createEgressProxy({ ...config, rules })
  return {
    door: { rules, attach: async (pid, options) => proxy.serve(await openDoor(pid, options)) },
    env: proxyEnv(around), meter: () => proxy.meter(), close: () => proxy.close(),
  }
}

/**
 * In both spellings: some programs know one, some the other. For what is neither HTTP nor HTTPS they differ: curl and Python look at the small letters first, and
 * some programs of theirs fail at once on a SOCKS proxy that they lack a library for; what knows SOCKS alone (Go's x/net/proxy) looks at the capital ones.
 * Connections inside (ranks of a gang, the program's own servers) go past the proxy.
 */
function proxyEnv(around: readonly string[] = []): Record<string, string> {
  const proxy = `http://127.0.0.1:${EGRESS_PORT}`, past = ['localhost', '127.0.0.1', '::1', ...around].join(',')
  const all = Object.fromEntries([['HTTP_PROXY', proxy], ['HTTPS_PROXY', proxy], ['ALL_PROXY', proxy], ['NO_PROXY', past]].flatMap(([name, value]) => [[name, value], [(name as string).toLowerCase(), value]]))
  return { ...all, ALL_PROXY: `socks5h://127.0.0.1:${EGRESS_PORT}` }
}

/** For an order: its ranks' names and addresses, if it is one of a gang. */
export function egressOf(config: EgressConfig, order: JobDispatch): AttemptEgress {
  return openEgress(config, order.egress ?? [], Object.entries(rankHosts(order.gang?.size ?? 0)).flat())
}
