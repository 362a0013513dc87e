/** Hands bytes to the browser's downloads. */
export function saveAs(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob)
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000) // the download has begun long before; at once would be too early for some browsers
}

/** A table of the market's, gathered piece by piece into the browser's own store. */
export async function saveCsv(pieces: AsyncIterable<Uint8Array<ArrayBuffer>>, name: string): Promise<void> {
  let blob = new Blob([], { type: 'text/csv' })
  for await (const piece of pieces) blob = new Blob([blob, piece], { type: 'text/csv' })
  saveAs(blob, name)
}
