// A mail server with one big inbox: a real SMTP server on this machine that keeps what comes, and answers as it is bid. With TLS it shows a certificate that it made for itself.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SMTPServer } from 'smtp-server'
import type { SMTPServerOptions } from 'smtp-server'

export type Mail = { readonly from: string; readonly to: readonly string[]; /** As it came, byte for byte. */ readonly raw: string; /** Unfolded and decoded, by their names in small letters; several of one name stand beside each other. */ readonly headers: Readonly<Record<string, readonly string[]>>; readonly text: string; readonly secure: boolean; readonly user: string | undefined }
/** When it answers: `mail` and `rcpt` before the message, `data` when it has come. Null: yes. A promise is waited for. */
export type MailAnswer = (step: 'mail' | 'rcpt' | 'data', address: string) => { code: number; says: string } | null | Promise<{ code: number; says: string } | null>
export type Mailbox = Awaited<ReturnType<typeof startMailbox>>

export async function startMailbox(options: { /** From the first byte on (`smtps`), or when it is asked for (STARTTLS). */ tls?: 'smtps' | 'starttls'; login?: { user: string; password: string }; port?: number } = {}) {
  const mails: Mail[] = [], certificate = options.tls ? ownCertificate() : null
  let answer: MailAnswer = () => null, connections = 0
  const say = (step: 'mail' | 'rcpt' | 'data', address: string, done: (error?: Error | null) => void): void => {
    void Promise.resolve(answer(step, address)).then((no) => done(no ? Object.assign(new Error(no.says), { responseCode: no.code }) : null))
  }
  const settings: SMTPServerOptions = {
    secure: options.tls === 'smtps', ...(certificate ? { key: certificate.key, cert: certificate.cert } : {}), authOptional: !options.login, disabledCommands: [...(options.tls === 'starttls' ? [] : ['STARTTLS']), ...(options.login ? [] : ['AUTH'])], allowInsecureAuth: true, logger: false, disableReverseLookup: true, closeTimeout: 200,
    onConnect(_session, done) { connections++; done() },
    onAuth(auth, _session, done) { if (auth.username === options.login?.user && auth.password === options.login?.password) done(null, { user: auth.username }); else done(Object.assign(new Error('5.7.8 Error: authentication failed'), { responseCode: 535 })) },
    onMailFrom(address, _session, done) { say('mail', address.address, done) },
    onRcptTo(address, _session, done) { say('rcpt', address.address, done) },
    onData(stream, session, done) {
      const parts: Buffer[] = []
      stream.on('data', (part: Buffer) => parts.push(part)).on('end', () => {
        const raw = Buffer.concat(parts).toString('utf8'), from = session.envelope.mailFrom ? session.envelope.mailFrom.address : '', to = session.envelope.rcptTo.map(({ address }) => address)
        void Promise.resolve(answer('data', to[0] ?? '')).then((no) => {
          if (no) return done(Object.assign(new Error(no.says), { responseCode: no.code }))
          mails.push({ from, to, raw, ...readMail(raw), secure: session.secure, user: session.user as string | undefined })
          done()
        })
      })
    },
  }
  const server = new SMTPServer(settings)
  server.on('error', () => undefined) // a client that goes away in the middle is no business of a test's
  await new Promise<void>((resolve) => { server.listen(options.port ?? 0, '127.0.0.1', resolve) })
  const { port } = server.server.address() as AddressInfo, who = options.login ? `${encodeURIComponent(options.login.user)}:${encodeURIComponent(options.login.password)}@` : ''
  return {
    port, url: `${options.tls === 'smtps' ? 'smtps' : 'smtp'}://${who}127.0.0.1:${port}`, mails, /** Of the server, for who must trust it. */ ca: certificate?.cert,
    get connections() { return connections },
    answerWith(how: MailAnswer): void { answer = how },
    stop: (): Promise<void> => new Promise((resolve) => { server.close(() => resolve()) }),
  }
}

/** Quoted-printable, base64 and encoded words, as far as this market's own mails have them. */
function readMail(raw: string): Pick<Mail, 'headers' | 'text'> {
  const cut = raw.indexOf('\r\n\r\n'), headers: Record<string, string[]> = {}
  for (const line of raw.slice(0, cut).replace(/\r\n[ \t]+/g, ' ').split('\r\n')) {
    const colon = line.indexOf(':'), name = line.slice(0, colon).toLowerCase()
    ;(headers[name] ??= []).push(decodeWords(line.slice(colon + 1).trim()))
  }
  const body = raw.slice(cut + 4), how = headers['content-transfer-encoding']?.[0] ?? '7bit'
  return { headers, text: (how === 'quoted-printable' ? fromQuoted(body.replace(/=\r\n/g, '')) : how === 'base64' ? Buffer.from(body, 'base64').toString('utf8') : body).replaceAll('\r\n', '\n') }
}
const fromQuoted = (text: string): string => Buffer.from(text.replace(/[^\0-\x7f]+/g, (sign) => Buffer.from(sign).toString('latin1')).replace(/=([0-9A-F]{2})/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))), 'latin1').toString('utf8')
const decodeWords = (text: string): string => text.replace(/(=\?[^?]+\?[BQ]\?[^?]*\?=)\s+(?==\?)/gi, '$1').replace(/=\?utf-8\?([BQ])\?([^?]*)\?=/gi, (_all, how: string, word: string) => (how.toUpperCase() === 'B' ? Buffer.from(word, 'base64').toString('utf8') : fromQuoted(word.replaceAll('_', ' '))))

function ownCertificate(): { key: string; cert: string } {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-mail-'))
  try {
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', join(dir, 'key'), '-out', join(dir, 'cert')], { stdio: 'pipe' })
    return { key: readFileSync(join(dir, 'key'), 'utf8'), cert: readFileSync(join(dir, 'cert'), 'utf8') }
  } finally { rmSync(dir, { recursive: true, force: true }) }
}
