// Runs a JavaScript or TypeScript program inside Deno. Not part of the agent: it is what the sandbox starts.
//   deno run … javascript.mjs file:///work/main.ts arguments…       with LUMARIS_ENV, the job's variables as JSON
//
// Why the program is not given to `deno run` directly: the modules that a main module names in its import statements are loaded WITHOUT asking for
// permission to read them, so `import key from "/any/file" with { type: "text" }` would read every file of the machine. What is imported
// dynamically, and all that it imports in turn, is asked for. The name must not be visible to Deno in the text of the import, or it looks ahead.
import { registerHooks } from 'node:module'

const [main, ...args] = Deno.args
Object.defineProperty(Deno, 'args', { value: args })
for (const [name, value] of Object.entries(JSON.parse(Deno.env.get('LUMARIS_ENV')))) Deno.env.set(name, value)
Deno.env.delete('LUMARIS_ENV')
// The price is that it is not the main module any more. Programs that ask get the answer they expect.
const hooks = registerHooks({
  load(url, context, next) {
    const loaded = next(url, context)
    if (url !== main) return loaded
    hooks.deregister()
    if (typeof loaded.source !== 'string' || !loaded.source.includes('import.meta.main')) return loaded
    return { ...loaded, source: `import.meta.main = true;${loaded.source.replace(/^#!/, '//')}` }
  },
})
await import(main)
