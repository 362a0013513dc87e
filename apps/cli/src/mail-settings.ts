// The mail server of a market that is started here, from the environment only: what stands on a command line, every user of the machine can read.
import type { MailSettings } from '@lumaris/server'
import type { Io } from './context.ts'

export async function mailOf(env: Io['env']): Promise<MailSettings | undefined> {
  const { mailSettingsOf } = await import('@lumaris/server')
  return mailSettingsOf(env) ?? undefined
}
