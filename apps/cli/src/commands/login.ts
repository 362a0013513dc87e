import { hostname } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import type { Command } from 'commander'
import { Option } from 'commander'
import type { Role, Scope } from '@lumaris/protocol'
import { LumarisError, createClient, isLumarisError } from '@lumaris/sdk'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { askLine, askSecret } from '../ask.ts'
import { CliError, EXIT } from '../failures.ts'
import { asIs, collect } from '../parse.ts'
import { findSettings, writeProfile } from '../profile.ts'

type LoginOptions = { email?: string; key?: boolean; device?: boolean; register?: boolean; name?: string; role?: string[] }

export function define(command: Command, withContext: WithContext): void {
  command
    .option('--email <address>', 'whose account', asIs)
    .option('--key', 'with an API key instead: asked for, or read from standard input')
    .option('--device', 'type no password here: approve it in a browser where you are signed in')
    .option('--register', 'make the account first')
    .option('--name <name>', 'with --register: what to call you', asIs)
    .addOption(new Option('--role <role>', 'with --register: what you want to do (repeatable; buyer)').choices(['buyer', 'seller']).argParser(collect(asIs)))
    .addHelpText('before', 'Examples:\n  lumaris login --url https://market.example --email ann@example.org\n  lumaris login --register --email ann@example.org --role buyer --role seller\n  lumaris login --device\n  lumaris login --key < key.txt\n')
    .addHelpText('after', '\nWhat is kept is an API key of its own, readable only by you; the password is not kept. With a second factor its code is asked for too; piped in, it is the second line. In scripts set LUMARIS_URL and LUMARIS_TOKEN instead.')
    .action(withContext(login))
}

const SCOPES: Record<Role, readonly Scope[]> = {
  buyer: ['jobs:read', 'jobs:write', 'wallet:read', 'wallet:write', 'keys:write'], seller: ['nodes:read', 'nodes:write', 'wallet:read', 'keys:write', 'jobs:read'],
  admin: ['jobs:read', 'jobs:write', 'nodes:read', 'nodes:write', 'wallet:read', 'keys:write', 'admin'],
}

async function login(context: Context, options: LoginOptions): Promise<void> {
  const { io, flags } = context
  const { url, file, profile } = findSettings(io.env, { url: flags.url })
  const identity = options.key ? await withKey(context, url) : options.device ? await withDevice(context, url) : await withPassword(context, url, options)
  const name = flags.as ?? profile?.current ?? 'default'
  writeProfile(file, { current: profile?.current ?? name, identities: { ...profile?.identities, [name]: { url, ...identity } } })
  await context.showThing({ url, email: identity.email, profile: file }, [['signed in as', identity.email], ['at', url], ['kept in', file]])
}

async function withKey(context: Context, url: string): Promise<{ token: string; email: string }> {
  const token = await askSecret(context.io, 'API key: ')
  if (token === '') throw new CliError('No key was given', 'Pipe it in: lumaris login --key < key.txt', EXIT.usage)
  return { token, email: (await createClient({ url, token }).api.me()).email }
}

async function withPassword(context: Context, url: string, options: LoginOptions): Promise<{ token: string; email: string; keyId: string }> {
  const email = options.email ?? (await askLine(context.io, 'E-mail: ', 'Give --email, and the password on standard input.'))
  const password = await askSecret(context.io, 'Password: ')
  const nobody = createClient({ url })
  if (options.register) await nobody.api.register({ body: { email, password, name: options.name ?? email.split('@')[0] ?? email, roles: (options.role ?? ['buyer']) as ('buyer' | 'seller')[] } })
  const { accessToken } = await nobody.api.login({ body: { email, password } }).catch(async (error: unknown) => {
    if (!isLumarisError(error, 'second_factor_needed')) throw error
    const code = await askSecret(context.io, 'Code of your second factor: ')
    if (code === '') throw error
    return nobody.api.login({ body: { email, password, code } })
  })
  return keyFor(url, accessToken)
}

/** Somebody who is signed in elsewhere approves it; until then it is asked now and then. */
async function withDevice(context: Context, url: string): Promise<{ token: string; email: string; keyId: string }> {
  const nobody = createClient({ url }), { api } = nobody
  const asked = await api.startDeviceLogin({ body: { client: `lumaris on ${hostname()}`.slice(0, 80) } })
  context.note(`Open ${new URL(`${asked.path}?code=${asked.userCode}`, url).href}\nand approve this code: ${asked.userCode}`)
  const { signal, stop } = context.interruptible(), progress = context.progress()
  progress.phase('Waiting for approval')
  try {
    for (let waitMs = asked.intervalMs; ;) {
      const answer = await api.deviceToken({ body: { deviceCode: asked.deviceCode } }, { signal }).catch((error: unknown) => {
        if (!isLumarisError(error, 'authorization_pending') && !isLumarisError(error, 'slow_down') && !isLumarisError(error, 'rate_limited')) throw error
        waitMs = error.retryAfterMs ?? waitMs
        return null
      })
      if (answer) return await keyFor(url, answer.accessToken)
      await pause(waitMs, undefined, { signal }).catch(() => { throw signal.reason as Error })
    }
  } catch (error) {
    if (error instanceof LumarisError && error.code === 'access_denied') throw new CliError('The sign-in was refused in the browser', 'Start anew if that was a mistake.', EXIT.forbidden, error)
    throw error
  } finally { progress.stop(); stop() }
}

/** A key of its own for this machine; the session that made it is over with that. */
async function keyFor(url: string, accessToken: string): Promise<{ token: string; email: string; keyId: string }> {
  const session = createClient({ url, token: accessToken })
  const { roles, email } = await session.api.me()
  const key = await session.api.createKey({ body: { label: `lumaris on ${hostname()}`.slice(0, 80), scopes: [...new Set(roles.flatMap((role) => SCOPES[role]))] } })
  await session.api.logout()
  return { token: key.secret, email, keyId: key.id }
}
