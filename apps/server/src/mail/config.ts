// The mail server that an operator gives his market: an address, a sender, and where the market itself is reached, for the links in the mails. What is wrong with them is said at the
// start, without ever quoting the address of the server: there may be a password in it.
import { isIP } from 'node:net'

export type MailSettings = {
  /** smtps://user:password@mail.example:465, or smtp://… (then TLS is begun on it, but to this machine itself). */ readonly smtpUrl: string
  /** alerts@mail.example, or Lumaris <alerts@mail.example>. */ readonly from: string
  /** Under which people open the market. */ readonly publicUrl: string
  /** Of tests: who has signed the server's certificate. */ readonly ca?: string | undefined
  /** Of tests: how long each step may take. */ readonly timeoutMs?: number | undefined
}
export type MailServer = {
  readonly host: string; readonly port: number; /** From the first byte on. */ readonly tls: boolean; /** This machine itself: nobody listens between. */ readonly local: boolean; readonly auth: { readonly user: string; readonly pass: string } | null
  readonly from: { readonly name: string; readonly address: string }; readonly publicUrl: string; readonly ca?: string | undefined; readonly timeoutMs?: number | undefined
}

/** What its operator has to change; its words go on the screen as they are. */
export class MailSettingsError extends Error { override readonly name = 'MailSettingsError' }

/** Of the environment: a command line could be read by everybody on the machine. Null: this market sends no mail. */
export function mailSettingsOf(env: Readonly<Record<string, string | undefined>>): MailSettings | null {
  const smtpUrl = env['LUMARIS_SMTP_URL'] ?? '', from = env['LUMARIS_MAIL_FROM'] ?? '', publicUrl = env['LUMARIS_PUBLIC_URL'] ?? ''
  if (smtpUrl === '') {
    if (from !== '') throw new MailSettingsError('LUMARIS_MAIL_FROM is set, but no mail server: set LUMARIS_SMTP_URL too, such as smtps://user:password@mail.example:465, or unset it')
    return null
  }
  if (from === '') throw new MailSettingsError('LUMARIS_SMTP_URL is set, but nobody whom mails come from: set LUMARIS_MAIL_FROM too, such as alerts@mail.example')
  if (publicUrl === '') throw new MailSettingsError('LUMARIS_SMTP_URL is set, but not where people open this market: set LUMARIS_PUBLIC_URL too, such as https://market.example. The links in mails, also the one that stops them, need it')
  return { smtpUrl, from, publicUrl }
}

const LOCAL_NAME = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1)$/i
/** One address, and nothing that could become another header or a second recipient. */
const ADDRESS = /^[\p{L}\p{N}.!#$%&'*+/=?^_`{|}~-]{1,64}@(?=.{1,253}$)[\p{L}\p{N}](?:[\p{L}\p{N}.-]*[\p{L}\p{N}])?$/u
export const isMailable = (address: string): boolean => ADDRESS.test(address) && !address.includes('..')

export function mailServerOf({ smtpUrl, from, publicUrl, ca, timeoutMs }: MailSettings): MailServer {
  const no = (what: string): never => { throw new MailSettingsError(`LUMARIS_SMTP_URL ${what}: write it as smtps://user:password@mail.example:465, with special signs of the password as %XX`) }
  if (!/^smtps?:\/\//i.test(smtpUrl)) no('does not begin with smtps:// or smtp://')
  if (!URL.canParse(smtpUrl)) no('is no address')
  const url = new URL(smtpUrl), host = url.hostname.replace(/^\[(.*)\]$/, '$1'), tls = url.protocol === 'smtps:', local = LOCAL_NAME.test(host)
  if (host === '') no('names no host')
  if ((url.pathname !== '' && url.pathname !== '/') || url.search !== '' || url.hash !== '') no('has something behind the host and the port')
  let user = '', pass = ''
  try { user = decodeURIComponent(url.username); pass = decodeURIComponent(url.password) } catch { no('has a % in its user or password that is not written as %25') }
  if (/\p{Cc}/u.test(user + pass + host)) no('has a control character in it')
  if ((user === '') !== (pass === '')) no(user === '' ? 'has a password and no user' : 'has a user and no password')
  const sender = /^(?:\s*"?([^"<>\r\n]{0,100}?)"?\s*<\s*)?([^\s<>]+?)\s*>?\s*$/.exec(from), [, name = '', address = ''] = sender ?? []
  if (!sender || !isMailable(address) || /\p{Cc}/u.test(from) || (from.includes('<') !== from.includes('>'))) throw new MailSettingsError('LUMARIS_MAIL_FROM is no sender: write alerts@mail.example, or Lumaris <alerts@mail.example>')
  return { host, port: url.port === '' ? (tls ? 465 : 587) : Number(url.port), tls, local, auth: user === '' ? null : { user, pass }, from: { name: name === '' ? 'Lumaris' : name, address }, publicUrl: plainPublicUrl(publicUrl), ca, timeoutMs }
}

function plainPublicUrl(text: string): string {
  const no = (what: string): never => { throw new MailSettingsError(`LUMARIS_PUBLIC_URL ${what}: write where people open this market, such as https://market.example`) }
  if (!URL.canParse(text)) no('is no address')
  const url = new URL(text), host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  // A mail program stops mails over https only (RFC 8058).
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && (LOCAL_NAME.test(host) || isIP(host) !== 0 && host.startsWith('127.')))) no('does not begin with https://')
  if (url.username !== '' || url.password !== '') no('has a user or a password in it')
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') no('has something behind the host and the port')
  return url.origin
}
