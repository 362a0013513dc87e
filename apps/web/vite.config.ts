import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import type { Plugin } from 'vite'

/** What a route is for is said in the market's OpenAPI file; no page shows it, and all of it together takes as much room in the first load as a screen. */
const withoutSummaries: Plugin = {
  name: 'without-summaries', enforce: 'pre',
  transform: (code, id) => (id.endsWith('/packages/protocol/src/routes.ts') ? { code: code.replace(/ summary: '[^'\n]*',/g, " summary: '',"), map: null } : null),
}

export default defineConfig({
  plugins: [withoutSummaries, react()],
  build: {
    target: 'es2023', sourcemap: false,
    // An inlined file would be a data: address, which the page's policy does not allow.
    assetsInlineLimit: 0,
    // The polyfill is a script inside the page, for browsers older than our target.
    modulePreload: { polyfill: false },
  },
  // `npx vite` in this folder, beside a market on its usual port.
  server: { proxy: Object.fromEntries(['/v1', '/metrics', '/healthz', '/readyz', '/openapi.json'].map((path) => [path, 'http://127.0.0.1:7070'])) },
})
