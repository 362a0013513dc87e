/** An Ed25519 signature over text; key and signature as base64url. */
export async function verifySignature(key: string, text: string, signature: string): Promise<boolean> {
  try {
    const imported = await globalThis.crypto.subtle.importKey('raw', bytesOf(key), 'Ed25519', false, ['verify'])
    return await globalThis.crypto.subtle.verify('Ed25519', imported, bytesOf(signature), new TextEncoder().encode(text))
  } catch { return false } // what cannot be a key or a signature verifies nothing
}
function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64url.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0))
}
