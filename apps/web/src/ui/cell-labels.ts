// On a phone a wide table is read row by row, as cards (global.css): each cell then needs the words at the head of its column. They are written here, for
// every table there is or will be, so that no screen has to say them twice; what a screen shows stays as it is.
const PHONE = '(max-width: 36rem)'
/** So many columns no longer fit beside one another. */
const CARDS_FROM = 3

export function labelCells(root: HTMLElement): void {
  const isPhone = matchMedia(PHONE)
  let waits = false
  const label = (): void => {
    waits = false
    if (!isPhone.matches) return
    for (const table of root.querySelectorAll<HTMLTableElement>('.scroll-box > .table')) {
      const heads = [...(table.tHead?.rows[0]?.cells ?? [])].map((head) => head.textContent)
      if (heads.length < CARDS_FROM || table.classList.contains('data')) continue
      table.dataset['cards'] = ''
      for (const body of table.tBodies) for (const row of body.rows) for (const [i, cell] of [...row.cells].entries()) if (cell.dataset['label'] !== heads[i]) cell.dataset['label'] = heads[i] ?? ''
    }
  }
  const soon = (): void => { if (!waits) { waits = true; requestAnimationFrame(label) } }
  new MutationObserver(soon).observe(root, { childList: true, subtree: true })
  isPhone.addEventListener('change', soon)
}
