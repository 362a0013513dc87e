import type { FileHandle } from 'node:fs/promises'

/** Writes every byte at this place. One write may take only a part, without an error, when the disk is nearly full: the next one then says so. */
export async function writeAll(handle: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten
}
