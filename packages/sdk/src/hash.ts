// SHA-256 of more bytes than fit in memory: Node hashes as they pass. A browser's own can only hash a whole, so there they are kept together.
type NodeProcess = { getBuiltinModule?: (name: string) => unknown }

/** A module of Node's own, or null in a browser. Not an import: a bundler for the browser must not meet it. */
export function nodeModule<T>(name: string): T | null {
  return ((globalThis as { process?: NodeProcess }).process?.getBuiltinModule?.(name) as T | undefined) ?? null
}

export type Hasher = { add(bytes: Uint8Array): void; hex(): Promise<string> }

export function createHasher(): Hasher {
  const crypto = nodeModule<typeof import('node:crypto')>('node:crypto')
  if (crypto) {
    const hash = crypto.createHash('sha256')
    return { add: (bytes) => { hash.update(bytes) }, hex: async () => hash.digest('hex') }
  }
  const parts: Uint8Array<ArrayBuffer>[] = []
  return { add: (bytes) => { parts.push(bytes.slice()) }, hex: async () => hexOf(await new Blob(parts).arrayBuffer()) }
}

export const hashText = (text: string): Promise<string> => hexOf(new TextEncoder().encode(text))
async function hexOf(bytes: ArrayBuffer | Uint8Array<ArrayBuffer>): Promise<string> {
  return Array.from(new Uint8Array(await globalThis.crypto.subtle.digest('SHA-256', bytes)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
