// Builds the page of the plots into a directory of its own, with the settings of the screens, and serves it on loopback.
import { createServer } from 'node:http'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { build } from 'vite'

const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css' }
export async function servePlots(): Promise<{ url: string; stop: () => void }> {
  const root = join(import.meta.dirname, '../../apps/web'), dir = mkdtempSync(join(tmpdir(), 'lumaris-plots-'))
  await build({ root, logLevel: 'warn', publicDir: false, build: { outDir: dir, emptyOutDir: true, chunkSizeWarningLimit: 2_000, rollupOptions: { input: join(root, 'bench/plots.html') } } })
  const server = createServer((request, reply) => {
    const path = normalize(new URL(request.url ?? '/', 'http://x').pathname)
    let bytes: Buffer | null = null
    try { bytes = readFileSync(join(dir, path)) } catch { /* the browser asks for an icon too */ }
    reply.writeHead(bytes ? 200 : 404, { 'content-type': TYPES[extname(path)] ?? 'application/octet-stream' }).end(bytes ?? '')
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/bench/plots.html`, stop() { server.close(); rmSync(dir, { recursive: true, force: true }) } }
}
