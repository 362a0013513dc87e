// The statement of a year as a page by itself, to be kept: nothing is loaded from anywhere, no script runs, and its figures are those of the interface.
import { formatCredits } from '@lumaris/protocol'
import type { YearStatement } from '@lumaris/protocol'

/** What people and markets wrote is text: no markup, and no marks that turn the direction of writing. */
const safe = (text: string): string => text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '').replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`)
const money = (amount: string): string => formatCredits(BigInt(amount))
const COLUMNS = [['gross', 'Earned'], ['fees', 'Fees'], ['lost', 'Lost'], ['net', 'Net'], ['cleared', 'Cleared'], ['paidOut', 'Paid out'], ['cameBack', 'Came back'], ['arrived', 'Arrived']] as const
const STYLE = 'body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}table{border-collapse:collapse;width:100%;font-size:.9em}th,td{padding:.3rem .5rem;border-bottom:1px solid #ccc;text-align:right;font-variant-numeric:tabular-nums}th:first-child{text-align:left}tfoot *{font-weight:600;border-top:2px solid #333}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dd{margin:0}address{font-style:normal;white-space:pre-line}small{color:#444}'

/** The name of a country in English; its code where this runtime has no names. */
export function countryName(code: string): string {
  try { return new Intl.DisplayNames(['en'], { type: 'region' }).of(code) ?? code } catch { return code }
}
/** How the tax number stands everywhere. */
export const taxNumberText = (taxNumber: string | null): string => (taxNumber === null ? 'not in business, no tax number' : `tax number ${taxNumber}`)

export function statementDocument(of: YearStatement, market: string): string {
  const { total, taxDetails: tax } = of, time = new Date(of.at).toISOString().slice(0, 16).replace('T', ' '), span = of.open ? `1 January ${of.year} up to ${time} UTC` : `1 January to 31 December ${of.year} (UTC)`
  const facts: [string, string][] = [['Pending and cleared before', money(of.opening)], ['Net of the year', money(total.net)], ['Asked to be paid out', money(total.paidOut)], ['Of payouts, came back', money(total.cameBack)], [of.open ? 'Pending and cleared now' : 'Pending and cleared at its end', money(of.closing)], ['Arrived', money(total.arrived)]]
  const seller = tax ? `<address>${safe(tax.name)}\n${safe(tax.address)}\n${safe(countryName(tax.country))}</address><p>${safe(taxNumberText(tax.taxNumber)).replace(/^./, (first) => first.toUpperCase())}. As the seller gave it on ${new Date(tax.setAt).toISOString().slice(0, 10)}.</p>` : `<p>${safe(of.name || 'Seller')}</p>`
  const row = (name: string, sums: YearStatement['total']): string => `<tr><th scope="row">${safe(name)}</th>${COLUMNS.map(([column]) => `<td>${money(sums[column])}</td>`).join('')}</tr>`
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><title>Statement of ${of.year}</title><style>${STYLE}</style></head>
<body><h1>Statement of ${of.year}${of.open ? ', so far' : ''}</h1>
<p>Earnings, fees and payouts of a seller at ${safe(market)}, ${span}, in credits of that market.</p>
<h2>Seller</h2>
${seller}
<p>Account <code>${safe(of.seller)}</code></p>
<h2>The year</h2>
<dl>${facts.map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`).join('')}</dl>
<p>${money(of.opening)} + ${money(total.net)} − ${money(total.paidOut)} + ${money(total.cameBack)} = ${money(of.closing)}</p>
<h2>Month by month</h2>
<table><thead><tr><th scope="col">Month</th>${COLUMNS.map(([, label]) => `<th scope="col">${label}</th>`).join('')}</tr></thead>
<tbody>${of.months.map((month) => row(month.month, month)).join('')}</tbody>
<tfoot>${row(String(of.year), total)}</tfoot></table>
<p><small>Earned is what jobs paid for the work, before the fee; lost is what was reversed or forfeited afterwards; net is earned less fees less lost. From the entries of the market’s ledger, made ${time} UTC. A statement, and no tax form.</small></p>
</body></html>
`
}
