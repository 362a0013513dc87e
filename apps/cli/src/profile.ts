// Who we are and where the market is: flag > environment > profile. The profile of a checkout (written by `lumaris up`) comes before that of the
// user, so that the demo market never touches a real account. It is found beside this program, never in the working directory: a stranger's
// folder must not decide where a token is sent.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { homedir } from 'node:os'
import { z } from 'zod'
import { CliError, EXIT } from './failures.ts'

const Identity = z.object({ url: z.string(), token: z.string().optional(), email: z.string().optional(), keyId: z.string().optional(), /** The account that is acted for. */ for: z.string().optional() })
const Profile = z.object({ current: z.string(), identities: z.record(z.string(), Identity) })
export type Identity = z.infer<typeof Identity>
export type Profile = z.infer<typeof Profile>
type Env = Readonly<Record<string, string | undefined>>

const CHECKOUT = dirname(dirname(dirname(import.meta.dirname)))
export const profileFiles = (env: Env, checkout: string = env['LUMARIS_CHECKOUT'] ?? CHECKOUT): { readonly checkout: string; readonly user: string } => ({
  checkout: join(checkout, '.lumaris', 'profile.json'),
  user: join(env['XDG_CONFIG_HOME'] || join(env['HOME'] ?? homedir(), '.config'), 'lumaris', 'profile.json'),
})

export function readProfile(file: string): Profile | null {
  let text: string
  try { text = readFileSync(file, 'utf8') } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' || (error as NodeJS.ErrnoException).code === 'ENOTDIR') return null
    throw new CliError(`Cannot read ${file}: ${(error as Error).message}`, 'Make it readable for you, or remove it and sign in again.', EXIT.failed, error)
  }
  try { return Profile.parse(JSON.parse(text)) } catch (cause) { throw new CliError(`${file} is damaged`, 'Remove it and sign in again: lumaris login.', EXIT.failed, cause) }
}

/** Only its owner may read it, from the first byte on; whole or not at all. */
export function writeProfile(file: string, profile: Profile): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const next = `${file}.${process.pid}.new`
  try {
    writeFileSync(next, `${JSON.stringify(profile, null, 2)}\n`, { mode: 0o600 })
    renameSync(next, file)
  } finally { rmSync(next, { force: true }) }
}

export type Settings = { readonly url: string; readonly token: string | undefined; readonly from: { readonly url: string; readonly token: string }; /** The account that is acted for: as it was said (`--account`), or its id (`lumaris use`). */ readonly for: string | undefined; readonly name: string; readonly file: string; readonly profile: Profile | null }
const DEFAULT_URL = 'http://127.0.0.1:7070'

export function findSettings(env: Env, flags: { readonly url?: string | undefined; readonly as?: string | undefined; readonly account?: string | undefined }): Settings {
  const files = profileFiles(env)
  const ofCheckout = readProfile(files.checkout)
  const file = ofCheckout ? files.checkout : files.user
  const profile = ofCheckout ?? readProfile(files.user)
  const asked = flags.as ?? env['LUMARIS_AS']
  if (asked !== undefined && !profile?.identities[asked]) {
    throw new CliError(`There is nobody called "${asked}" in ${profile ? file : 'any profile'}`, profile ? `It knows: ${Object.keys(profile.identities).join(', ')}.` : 'Sign in first: lumaris login.', EXIT.usage)
  }
  const name = asked ?? profile?.current ?? 'default'
  const identity = profile?.identities[name]
  const given = flags.url ?? env['LUMARIS_URL']
  const url = given ?? identity?.url ?? DEFAULT_URL
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) throw new CliError(`"${url}" is not an address of a market`, 'Write it such as https://market.example.', EXIT.usage)
  // A token goes only where it was made for.
  const own = identity && sameOrigin(identity.url, url) ? identity.token : undefined
  const token = (asked === undefined ? env['LUMARIS_TOKEN'] : undefined) ?? own
  const saidFor = flags.account ?? env['LUMARIS_ACCOUNT']
  return {
    // What was chosen once goes with the identity that it was chosen for.
    url, token, name, file, profile, for: saidFor === 'self' ? undefined : (saidFor ?? (own !== undefined && token === own ? identity?.for : undefined)),
    from: { url: flags.url ? '--url' : env['LUMARIS_URL'] ? 'LUMARIS_URL' : identity ? file : 'default', token: asked === undefined && env['LUMARIS_TOKEN'] ? 'LUMARIS_TOKEN' : own ? file : 'none' },
  }
}
const sameOrigin = (a: string, b: string): boolean => URL.canParse(a) && URL.canParse(b) && new URL(a).origin === new URL(b).origin
