import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'
import type { Plugin } from 'vite'

/** What no page reads, and what takes as much room in the first load as a few screens. */
const LEFT_OUT: readonly (readonly [path: string, what: RegExp, instead: string])[] = [
  // What a route is for and what it may refuse is said in the market's OpenAPI file.
  ['/packages/protocol/src/routes.ts', / summary: '[^'\n]*',/g, " summary: '',"], ['/packages/protocol/src/routes.ts', / refuses: \[[^\]\n]*\]/g, ' refuses: []'],
  // Names of schemas are for that file too.
  ['/packages/protocol/src/', /\.meta\(\{ id: '\w+' \}\)/g, ''],
  // A refusal brings its words with it.
  ['/packages/protocol/src/refusals.ts', /\bno\((\d+), '[^'\n]*', '[^'\n]*'/g, "no($1, '', ''"],
  // Every type of zod can write itself as a JSON schema; the server does that. A page that comes to need it fails in its first test.
  ['/zod/v4/classic/schemas.js', /^ *inst\._zod\.processJSONSchema = [^;\n]*;$/gm, ''], ['/zod/v4/classic/schemas.js', /\bcreate(?:Standard|To)JSONSchemaMethod\(this, [^)]*\)/g, 'undefined'],
]
const leftOut: Plugin = {
  name: 'left-out', enforce: 'pre',
  transform(code, id) {
    const rules = LEFT_OUT.filter(([path]) => id.includes(path))
    return rules.length === 0 ? null : { code: rules.reduce((text, [, what, instead]) => text.replace(what, instead), code), map: null }
  },
}

export default defineConfig({
  plugins: [leftOut, react()],
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
