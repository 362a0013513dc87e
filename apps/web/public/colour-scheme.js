// Before the first paint, so that a dark page never flashes white. A file of its own because the page allows no script inside it.
(function () {
  var wish = null
  try { wish = localStorage.getItem('lumaris-colours') } catch { /* storage may be forbidden: then the system decides */ }
  var dark = wish === 'dark' || (wish !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light')
})()
