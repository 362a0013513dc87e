// `j` and `k` on every list: the focus goes to the next row's link (or button, where a row opens nothing), so that Enter opens it as it opens any link, and a
// screen reader says where one is. A row is a row of a table, or whatever is marked with `data-row`.

const ROWS = 'main tbody tr:not(.gap), main [data-row]', OPENS = 'a[href], button:not(:disabled, [data-copy])'

/** True where there was a row to go to. */
export function goToRow(step: 1 | -1): boolean {
  const rows = [...document.querySelectorAll<HTMLElement>(ROWS)].filter((row) => row.checkVisibility() && row.querySelector(OPENS))
  const at = rows.findLastIndex((row) => row.contains(document.activeElement)) // a row may lie in a row: the inner one is meant
  // From nowhere: the first that is seen, not one that was scrolled away.
  const next = at >= 0 ? rows[at + step] : rows.find((row) => row.getBoundingClientRect().top >= 0) ?? rows[0]
  const to = next?.querySelector<HTMLElement>('a[href]') ?? next?.querySelector<HTMLElement>(OPENS)
  if (!to) return false
  to.focus({ preventScroll: true })
  to.scrollIntoView({ block: 'nearest' })
  return true
}
