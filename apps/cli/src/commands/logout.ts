import type { Command } from 'commander'
import { isLumarisError } from '@lumaris/sdk'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { writeProfile } from '../profile.ts'

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris logout\n').action(withContext(logout))
}

async function logout(context: Context): Promise<void> {
  const { profile, name, file } = context.settings
  const identity = profile?.identities[name]
  if (!profile || !identity) return context.note('You are not signed in.')
  // Only a key that `login` made is revoked; one that was given to us may be in use elsewhere.
  if (identity.keyId !== undefined) {
    const client = await context.client({ url: identity.url, token: identity.token })
    await client.api.revokeKey({ params: { key: identity.keyId } }).catch((error: unknown) => {
      if (!isLumarisError(error)) throw error
      context.note(`${context.errorColours.yellow('warning:')} the key could not be revoked (${error.message}); it is forgotten here`)
    })
  }
  const { [name]: _gone, ...identities } = profile.identities
  writeProfile(file, { current: profile.current, identities })
  context.note(`Signed out of ${identity.url}.`)
}
