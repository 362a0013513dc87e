/** Hands bytes to the browser's downloads. */
export function saveAs(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob)
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000) // the download has begun long before; at once would be too early for some browsers
}

/** What the market streams, gathered piece by piece into the browser's own store. */
export async function savePieces(pieces: AsyncIterable<Uint8Array<ArrayBuffer>>, name: string, type: string): Promise<void> {
  let blob = new Blob([], { type })
  for await (const piece of pieces) blob = new Blob([blob, piece], { type })
  saveAs(blob, name)
}
export const saveCsv = (pieces: AsyncIterable<Uint8Array<ArrayBuffer>>, name: string): Promise<void> => savePieces(pieces, name, 'text/csv')
