// How bad a line says it is: read from the line itself, as common loggers write it. A line that does not say so has no level; none is guessed from its words.

export type LogLevel = 'error' | 'warning' | 'info' | 'debug'
const WORDS: Readonly<Record<string, LogLevel>> = {
  emerg: 'error', emergency: 'error', alert: 'error', fatal: 'error', panic: 'error', crit: 'error', critical: 'error', severe: 'error', error: 'error', err: 'error',
  warn: 'warning', warning: 'warning', notice: 'info', info: 'info', information: 'info', debug: 'debug', trace: 'debug', verbose: 'debug', fine: 'debug',
}
const WORD = Object.keys(WORDS).toSorted((a, b) => b.length - a.length).join('|')
/** Where a level stands, it stands early; and what is looked through for each line must be short. */
const LOOKED = 300
/** `{"level":"warn"}`, `"severity":"ERROR"`; numbers as pino and bunyan have them. */
const JSON_LEVEL = /"(?:level|severity|lvl|levelname|log\.level)"\s*:\s*(?:"([A-Za-z]{3,12})"|(\d{1,3})\b)/
const LOGFMT = /(?:^|\s)(?:level|lvl|severity)="?([A-Za-z]{3,12})\b/
/** A time, and names in brackets, may come first: `2027-01-31 18:00:00,123 [main] WARN`, `[2027-01-31T18:00:00Z INFO crate]`. */
const BEFORE = String.raw`^\s*(?:[\[(]?\d[\d:.,TZ+/ -]{4,40}[\])]?[\s|-]{0,3})?(?:\[[\w.:-]{1,40}\]\s*){0,2}`
/** In capitals by itself; in small letters only where a bracket or a colon shows that it is meant as one: `Error: no such file`. */
const LOUD = new RegExp(String.raw`${BEFORE}[\[(<]?(${WORD.toUpperCase()})[\])>]?(?=[\s:|,\]-]|$)`), QUIET = new RegExp(String.raw`${BEFORE}(?:[\[(<](${WORD})[\])>]|(${WORD}):)`, 'i')
/** `E0131 18:00:00.123456  42 file.cc:7]`, and the priority of syslog. */
const GLOG = /^([FEWI])\d{4} \d{2}:\d{2}:\d{2}/, SYSLOG = /^<(\d{1,3})>/
const LETTERS: Readonly<Record<string, LogLevel>> = { F: 'error', E: 'error', W: 'warning', I: 'info' }
const ofWord = (word: string | undefined): LogLevel | null => WORDS[word?.toLowerCase() ?? ''] ?? null

export function levelOf(line: string): LogLevel | null {
  const text = line.slice(0, LOOKED)
  if (/^\s*\{/.test(text)) {
    const [, word, number] = JSON_LEVEL.exec(text) ?? []
    if (number === undefined) return ofWord(word)
    return Number(number) >= 50 ? 'error' : Number(number) >= 40 ? 'warning' : Number(number) >= 30 ? 'info' : 'debug'
  }
  const letter = GLOG.exec(text)?.[1], priority = SYSLOG.exec(text)?.[1]
  if (letter !== undefined) return LETTERS[letter] ?? null
  if (priority !== undefined) { const severity = Number(priority) % 8; return severity <= 3 ? 'error' : severity === 4 ? 'warning' : severity <= 6 ? 'info' : 'debug' }
  const quiet = LOUD.test(text) ? null : QUIET.exec(text)
  return ofWord(LOUD.exec(text)?.[1] ?? quiet?.[1] ?? quiet?.[2] ?? LOGFMT.exec(text)?.[1])
}
