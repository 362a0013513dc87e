import { visible } from '../ui/format.ts'

// Most specific first: a browser also names those it is made from.
const BROWSERS = [['Edg/', 'Edge'], ['OPR/', 'Opera'], ['Firefox/', 'Firefox'], ['Chrome/', 'Chrome'], ['Safari/', 'Safari']] as const
const SYSTEMS = [['Android', 'Android'], ['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Windows', 'Windows'], ['Mac OS X', 'macOS'], ['Linux', 'Linux']] as const

/** What a program says of itself, short: for one's own eyes, not to rely on. */
export function programOf(client: string | undefined): string {
  if (client === undefined || client === '') return 'a program without a name'
  const browser = BROWSERS.find(([sign]) => client.includes(sign))?.[1]
  if (!client.startsWith('Mozilla/') || !browser) return visible(client.length > 40 ? `${client.slice(0, 39)}…` : client)
  const system = SYSTEMS.find(([sign]) => client.includes(sign))?.[1]
  return system ? `${browser} on ${system}` : browser
}
