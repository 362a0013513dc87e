// Whom a request is for, and whether the job may speak with them. One spelling is understood, every other is refused: what two programs could read
// in two ways is where such lists are got around.
import { HOST_NAME } from '@lumaris/protocol'
import type { EgressRule } from '@lumaris/protocol'

export type Target = { readonly host: string; readonly port: number }

/** `host:port`, or `host` where there is a usual port. Null for all else: user names, brackets, addresses in any notation, trailing dots, letters of other alphabets. */
export function targetOf(text: string, usualPort?: number): Target | null {
  const [, name = '', digits] = /^([A-Za-z0-9.-]+)(?::([1-9]\d{0,4}))?$/.exec(text) ?? []
  const host = name.toLowerCase(), port = digits === undefined ? usualPort : Number(digits)
  return HOST_NAME.test(host) && port !== undefined && port <= 65_535 ? { host, port } : null
}

/** `*.` stands for one whole label. */
export function isListed(rules: readonly EgressRule[], { host, port }: Target): boolean {
  const parent = host.slice(host.indexOf('.') + 1)
  return rules.some((rule) => rule.port === port && (rule.host === host || (rule.host.startsWith('*.') && rule.host.slice(2) === parent)))
}
