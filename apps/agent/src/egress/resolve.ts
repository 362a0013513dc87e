// All addresses of a name, as the name servers of this machine know them.
import { Resolver } from 'node:dns/promises'
import { TRANSLATED, translated } from './addresses.ts'

/** Asked of the name servers alone, not of the machine's own list of names, and without its thread pool: a name server that is silent holds nobody else up. `servers`: others than the machine's. */
export async function addressesOf(host: string, ms: number, servers?: readonly string[]): Promise<string[]> {
  const resolver = new Resolver({ timeout: Math.ceil(ms / 2), tries: 2 })
  if (servers) resolver.setServers(servers)
  const late = setTimeout(() => resolver.cancel(), ms), none = (): string[] => []
  try {
    const [four, six] = await Promise.all([resolver.resolve4(host).catch(none), resolver.resolve6(host).catch(none)])
    if (six.length === 0) return four
    const turns = translated(await resolver.resolve6(TRANSLATED).catch(none))
    return [...four, ...six.filter((address) => !turns(address))]
  } finally { clearTimeout(late) }
}
