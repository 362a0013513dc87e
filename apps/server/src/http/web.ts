// The screens, as files. Only what lay in the folder when the server started has an address, looked up whole in a map: no path is ever put together
// from what a request says, so none can lead out of the folder.
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { extname, join, sep } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Answers a request that no route knows, if it is one for the screens. */
export type Web = (request: FastifyRequest, reply: FastifyReply) => FastifyReply | null

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.txt': 'text/plain; charset=utf-8', '.woff2': 'font/woff2', '.png': 'image/png',
}
/** Below one network packet, compressing saves nothing. */
const GZIP_FROM_BYTES = 1_200
/** Where the page's style library finds the word that lets its own style elements through; it changes with every page. */
const NONCE = '__NONCE__'

type File = { readonly type: string; readonly bytes: Buffer; readonly gzipped: Buffer | null; readonly etag: string }

export function createWeb(dir: string): Web {
  const files = filesBelow(dir)
  const loaded = new Map<string, File>()
  const fileAt = (path: string): File | null => {
    const known = loaded.get(path)
    if (known) return known
    const place = files.get(path)
    if (place === undefined) return null
    const file = load(place)
    loaded.set(path, file)
    return file
  }
  return (request, reply) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return null
    const path = request.url.split('?')[0] ?? '/'
    const file = path === '/index.html' ? null : fileAt(path)
    // A hashed name never means other bytes, so it may be kept for ever; anything else is asked for again each time.
    if (file) return sendFile(request, reply, file, path.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache')
    // Every other address belongs to the router in the page. The interface's own addresses are not pages, whoever asks.
    if (/^\/v1(?:\/|$)/.test(path) || !(request.headers.accept ?? '').includes('text/html')) return null
    const page = fileAt('/index.html')
    if (page) return sendPage(reply, page.bytes.toString())
    return secured(reply, "default-src 'none'; frame-ancestors 'none'").code(503).header('content-type', 'text/html; charset=utf-8').header('cache-control', 'no-store').send(NOT_BUILT)
  }
}

function filesBelow(dir: string): ReadonlyMap<string, string> {
  if (!existsSync(join(dir, 'index.html'))) return new Map()
  const found = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((name) => extname(name) in TYPES && statSync(join(dir, name)).isFile())
  return new Map(found.map((name) => [`/${name.split(sep).join('/')}`, join(dir, name)]))
}

function load(place: string): File {
  const bytes = readFileSync(place)
  const gzipped = bytes.length >= GZIP_FROM_BYTES && !/\.(?:woff2|png)$/.test(place) ? gzipSync(bytes, { level: 9 }) : null
  return { type: TYPES[extname(place)] as string, bytes, gzipped, etag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 27)}"` }
}

function sendFile(request: FastifyRequest, reply: FastifyReply, file: File, cache: string): FastifyReply {
  void reply.header('content-type', file.type).header('cache-control', cache).header('etag', file.etag).header('vary', 'accept-encoding').header('cross-origin-resource-policy', 'same-origin')
  if (request.headers['if-none-match'] === file.etag) return reply.code(304).send()
  if (file.gzipped && /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))) return reply.code(200).header('content-encoding', 'gzip').send(file.gzipped)
  return reply.code(200).send(file.bytes)
}

/** Nothing from elsewhere, no script in the page itself, no frame around it. Pictures of results are blobs that the page made. Style elements need this page's own nonce, which scripts from outside cannot know. */
function sendPage(reply: FastifyReply, html: string): FastifyReply {
  const nonce = randomBytes(18).toString('base64')
  const policy = ["default-src 'none'", "script-src 'self'", `style-src 'self' 'nonce-${nonce}'`, "img-src 'self' blob:", "font-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]
  return secured(reply, policy.join('; ')).code(200).header('content-type', 'text/html; charset=utf-8').header('cache-control', 'no-store').send(html.replaceAll(NONCE, nonce))
}
const secured = (reply: FastifyReply, policy: string): FastifyReply =>
  reply.header('content-security-policy', policy).header('referrer-policy', 'no-referrer').header('x-frame-options', 'DENY').header('cross-origin-opener-policy', 'same-origin').header('permissions-policy', 'camera=(), microphone=(), geolocation=()')

const NOT_BUILT = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Lumaris</title>
<h1>The market is open; its screens are not built</h1>
<p>The interface under <code>/v1</code> works. To build the screens, stop the server and run <code>npm start</code>, or <code>node tools/run.mjs tools/build-web.ts</code>.</p>`
