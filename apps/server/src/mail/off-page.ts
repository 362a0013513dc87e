// The page behind the link in a mail that stops them: made here, without the screens and without a script, since it is opened by people who are not signed in, in programs that are no browser.
// Looking at it changes nothing, for links in mails are looked at by machines; its button does.
const head = (title: string): string => `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="robots" content="noindex"><title>${title} · Lumaris</title>
<style>:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1.25rem}h1{font-size:1.5rem;line-height:1.25;margin:0 0 .75rem}button{font:inherit;font-weight:600;padding:.6rem 1.1rem;border-radius:.5rem;border:1px solid;background:#0b57d0;border-color:#0b57d0;color:#fff;cursor:pointer}button:focus-visible,a:focus-visible{outline:3px solid;outline-offset:2px}a{color:inherit}p{margin:0 0 1.25rem}</style>
<main><h1>${title}</h1>`

export const ASK_PAGE = `${head('Stop these mails?')}
<p>No more alerts will be mailed to the address that this link was sent to. They still stand in the inbox of the account, and webhooks are told as before.</p>
<form method="post"><button type="submit">Stop the mails</button></form></main></html>`
export const STOPPED_PAGE = `${head('The mails are stopped')}
<p>No more alerts are mailed to the address that this link was sent to. Whoever signs in can turn them on again, under <a href="/alerts">Alerts</a>.</p></main></html>`
export const BROKEN_PAGE = `${head('This link is not whole')}
<p>Nothing was changed. Open it again from the mail; or sign in, and turn mail off under <a href="/alerts">Alerts</a>.</p></main></html>`

export const PAGE_HEADS = {
  'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store', 'referrer-policy': 'no-referrer', 'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
} as const
