// The archive that a Linux kernel unpacks into its first root ("newc"), with nothing in it that differs from one build to the next.
export type CpioEntry = { readonly path: string } & ({ readonly kind: 'file'; readonly mode: number; readonly bytes: Uint8Array } | { readonly kind: 'link'; readonly to: string } | { readonly kind: 'dir' })

const IN_FOURS = [Buffer.alloc(0), Buffer.alloc(3), Buffer.alloc(2), Buffer.alloc(1)]
const pad = (length: number): Buffer => IN_FOURS[length % 4] as Buffer

export function cpioOf(entries: readonly CpioEntry[]): Buffer {
  const parts: Uint8Array[] = []
  const put = (inode: number, path: string, mode: number, bytes: Uint8Array): void => {
    const name = Buffer.from(`${path}\0`)
    const header = Buffer.from(`070701${[inode, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length, 0].map((value) => value.toString(16).padStart(8, '0')).join('')}`)
    parts.push(header, name, pad(header.length + name.length), bytes, pad(bytes.length))
  }
  entries.forEach((entry, i) => put(i + 1, entry.path, entry.kind === 'dir' ? 0o040755 : entry.kind === 'link' ? 0o120777 : 0o100000 | entry.mode, entry.kind === 'file' ? entry.bytes : Buffer.from(entry.kind === 'link' ? entry.to : '')))
  put(0, 'TRAILER!!!', 0, Buffer.alloc(0))
  return Buffer.concat(parts)
}
