import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

export default defineConfig({
  plugins: [react()],
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
