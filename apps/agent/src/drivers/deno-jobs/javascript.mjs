// Runs a JavaScript or TypeScript program inside Deno. Not part of the agent: it is what the sandbox starts.
//   deno run … javascript.mjs file:///work/main.ts arguments…       with LUMARIS_ENV, the job's variables as JSON
//   deno run … javascript.mjs --wait                                 the same words come on standard input, when there is a job
//
// Why the program is not given to `deno run` directly: the modules that a main module names in its import statements are loaded WITHOUT asking for
// permission to read them, so `import key from "/any/file" with { type: "text" }` would read every file of the machine. What is imported
// dynamically, and all that it imports in turn, is asked for. The name must not be visible to Deno in the text of the import, or it looks ahead.
import { registerHooks } from 'node:module'

/** Says that it is ready, and waits for the one order that it will ever have. What comes after it on standard input is the job's. */
function waitForOrder() {
  const read = (size) => {
    const bytes = new Uint8Array(size)
    // Nobody will come any more.
    for (let at = 0; at < size;) { const count = Deno.stdin.readSync(bytes.subarray(at)); if (count === null) Deno.exit(0); at += count }
    return new TextDecoder().decode(bytes)
  }
  Deno.stdout.writeSync(new TextEncoder().encode('ready\n'))
  return JSON.parse(read(Number(read(10))))
}
const waits = Deno.args[0] === '--wait'
// What strips types is loaded once and takes its time; so does the first module.
if (waits) await import('data:application/typescript,export const ready: boolean = true')
const { words: [main, ...args], env } = waits ? waitForOrder() : { words: Deno.args, env: JSON.parse(Deno.env.get('LUMARIS_ENV')) }
Object.defineProperty(Deno, 'args', { value: args })
for (const [name, value] of Object.entries(env)) Deno.env.set(name, value)
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
