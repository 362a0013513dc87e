// One mail to one address through the operator's own mail server: nobody else's server is ever connected to. What became of it, in four words: sent; refused for good by the recipient's
// server; later; or there is trouble with the mail server itself, which is about every mail and nobody's address.
import { createTransport } from 'nodemailer'
import { WORDS } from '../webhooks/address.ts'
import { MailSettingsError } from './config.ts'
import type { MailServer } from './config.ts'
import { oneLine } from './text.ts'

const STEP_MS = 10_000
const ANSWER_MAX = 160

export type OutgoingMail = { readonly id: string; readonly at: number; readonly to: string; readonly subject: string; readonly text: string; /** Of what may be stopped. */ readonly offUrl?: string }
export type Became = { readonly kind: 'sent' } | { readonly kind: 'refused' | 'later' | 'trouble'; readonly because: string }
type SmtpError = Error & { code?: string; originalCode?: string; responseCode?: number; response?: string; command?: string }
export type MailSender = ReturnType<typeof createMailSender>

export function createMailSender(server: MailServer) {
  const stepMs = server.timeoutMs ?? STEP_MS
  const transport = createTransport({
    host: server.host, port: server.port, secure: server.tls, ...(server.auth ? { auth: { ...server.auth } } : {}),
    // In the clear only to this machine itself; then nothing is begun that a certificate for another name would end.
    ...(server.tls ? {} : server.local ? { ignoreTLS: true } : { requireTLS: true }),
    tls: { minVersion: 'TLSv1.2', ...(server.ca === undefined ? {} : { ca: server.ca }) },
    connectionTimeout: stepMs, greetingTimeout: stepMs, socketTimeout: 2 * stepMs, dnsTimeout: stepMs, disableFileAccess: true, disableUrlAccess: true, logger: false, debug: false,
  })
  return {
    async send({ id, at, to, subject, text, offUrl }: OutgoingMail): Promise<Became> {
      try {
        await transport.sendMail({
          // As objects: a text would be read as a list of addresses.
          from: { name: server.from.name, address: server.from.address }, to: { name: '', address: to }, envelope: { from: server.from.address, to: [to] }, subject, text, date: new Date(at),
          // The same at every try: whoever gets it twice can tell.
          messageId: `<${id}@${server.from.address.split('@')[1]}>`,
          headers: { ...(offUrl === undefined ? {} : { 'List-Unsubscribe': { prepared: true, value: `<${offUrl}>` }, 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' }), 'Auto-Submitted': 'auto-generated' },
        })
        return { kind: 'sent' }
      } catch (error) { return becauseOf(error as SmtpError) }
    },
    /** Before the market opens: what only its operator can mend ends the start; what may be over in a minute is told, and mails wait. */
    async check(): Promise<string | null> {
      try { await transport.verify(); return null } catch (raw) {
        const error = raw as SmtpError, words = wordsOf(error)
        if (error.originalCode === 'ENOTFOUND') throw new MailSettingsError(`LUMARIS_SMTP_URL names ${server.host}, and there is no such host: correct it, or unset it to start without mail`)
        if (error.code === 'EAUTH' && (error.responseCode ?? 0) >= 500) throw new MailSettingsError(`The mail server ${server.host} refuses the user or the password of LUMARIS_SMTP_URL (${error.responseCode}): correct them, or unset it to start without mail`)
        return words
      }
    },
    close: (): void => transport.close(),
  }
}

function becauseOf(error: SmtpError): Became {
  const answer = error.responseCode ?? 0, because = wordsOf(error)
  if (error.command === 'RCPT TO' && answer >= 400) {
    // Relaying denied, sign in first, a bad reputation of our own server: that is about us, and turns nobody's mail off.
    if (answer === 530 || answer === 535 || /^5\d\d[ -]5\.7\./.test(error.response ?? '')) return { kind: 'later', because }
    return { kind: answer >= 500 ? 'refused' : 'later', because }
  }
  return { kind: answer >= 400 && error.command === 'DATA' ? 'later' : 'trouble', because }
}

/** What it came to, for people. What a server has answered is cut and cleaned; what it says to a sign-in is not repeated at all. */
function wordsOf(error: SmtpError): string {
  if (error.code === 'EAUTH') return `the mail server refuses the user or the password${error.responseCode ? ` (${error.responseCode})` : ''}`
  if (error.code === 'ETLS') return `no TLS with the mail server: ${WORDS[error.originalCode ?? ''] ?? 'it offers none, or has no certificate that is trusted'}`
  if (error.responseCode) return `the mail server answered: ${oneLine(error.response ?? String(error.responseCode), ANSWER_MAX)}`
  if (error.code === 'ETIMEDOUT') return 'the mail server does not answer in time'
  const code = error.originalCode ?? error.code ?? ''
  return `the mail server: ${WORDS[code] ?? (/wrong version number|packet length too long/i.test(error.message) ? 'it does not begin with TLS on this port: smtp:// instead of smtps://?' : 'the connection failed')}`
}
