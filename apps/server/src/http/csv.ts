// Tables for spreadsheets (RFC 4180), row by row as the reader takes them. What others wrote is text: a cell that a spreadsheet would take for a formula
// gets an apostrophe in front. Amounts and times of ours stay as they are.
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { MICROS_PER_CREDIT } from '@lumaris/protocol'

type Cell = string | number
const DIGITS = MICROS_PER_CREDIT.toString().length - 1

export function csvCell(value: Cell): string {
  if (typeof value === 'number') return String(value)
  const safe = /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/.test(value) ? `'${value}` : value
  return /[",\r\n;\t]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
/** Exact: a sum over the column is the sum of the bills. */
export function credits(micros: string): string {
  const amount = micros.padStart(DIGITS + 1, '0')
  return `${amount.slice(0, -DIGITS)}.${amount.slice(-DIGITS)}`
}
export const instant = (at: number | undefined): string => (at === undefined ? '' : new Date(at).toISOString())

/** Null, because the reply is sent here. */
export async function sendCsv(reply: FastifyReply, name: string, head: readonly string[], pages: () => AsyncIterable<readonly (readonly Cell[])[]>): Promise<null> {
  const text = (rows: readonly (readonly Cell[])[]): string => rows.map((row) => `${row.map(csvCell).join(',')}\r\n`).join('')
  async function* parts(): AsyncGenerator<string> {
    yield text([head])
    for await (const rows of pages()) if (rows.length > 0) yield text(rows)
  }
  await reply.code(200).header('content-type', 'text/csv; charset=utf-8; header=present').header('content-disposition', `attachment; filename="${name}"`).header('cache-control', 'no-store').send(Readable.from(parts()))
  return null
}

/** The same as JSON lines: each row as the interface has it. */
export async function sendLines(reply: FastifyReply, name: string, pages: () => AsyncIterable<readonly unknown[]>): Promise<null> {
  async function* parts(): AsyncGenerator<string> { for await (const rows of pages()) if (rows.length > 0) yield rows.map((row) => `${JSON.stringify(row)}\n`).join('') }
  await reply.code(200).header('content-type', 'application/jsonl; charset=utf-8').header('content-disposition', `attachment; filename="${name}"`).header('cache-control', 'no-store').send(Readable.from(parts()))
  return null
}
