// The image of a machine for tests, made by whichever of them needs it first and kept below the user's cache folder until the guest's program changes. It is
// built of the archive's packages as `lumaris images build` does it, and looked at hash by hash before every use.
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { inPath } from '../drivers/stage.ts'
import { lockDataDir } from '../lock.ts'
import { buildImages, findImages, guestHash } from './build-images.ts'
import { ImagesRefused, needTools, run } from './packages.ts'

/** A build takes ten seconds on two quiet cores; another process may be at it already. */
const WAIT_MS = 240_000
/** Where no archive answers, apt needs a minute and a half to say so: it is asked once, and not by every file of tests. */
const REFUSED_MS = 600_000
/** Of other versions of the guest's program, for those who go back and forth. */
const KEPT = 3

export type TestImages = { readonly images: string; readonly packages: string } | { readonly reason: string }

/** The folder, or why the tests that need it are skipped. In CI the lists of packages are fetched again, should they be missing or old; and a build that had all it needs and fails is a failure. */
export async function testImages(): Promise<TestImages> {
  const given = process.env['LUMARIS_IMAGES']
  if (given !== undefined) { const found = await findImages(given); return 'reason' in found ? found : { images: given, packages: join(given, 'packages') } }
  if (inPath('qemu-system-x86_64') === null) return { reason: 'qemu-system-x86_64 is not installed' }
  if (process.platform !== 'linux' || process.arch !== 'x64') return { reason: 'images are made on Linux on x86-64' }
  try { needTools() } catch (error) { return { reason: (error as Error).message } }
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'lumaris', 'test-images'), packages = join(cache, 'packages'), images = join(cache, guestHash().slice(0, 16))
  mkdirSync(images, { recursive: true })
  const isThere = async (): Promise<boolean> => !('reason' in await findImages(images))
  if (await isThere()) { const now = new Date(); utimesSync(images, now, now); return { images, packages } }
  const refused = join(images, 'refused')
  const lately = (): string | null => { try { return Date.now() - statSync(refused).mtimeMs < REFUSED_MS ? readFileSync(refused, 'utf8') : null } catch { return null /* nobody was */ } }
  const lock = await locked(cache)
  try {
    if (!await isThere()) {
      const reason = lately()
      if (reason !== null) return { reason }
      process.stderr.write('The image of a machine is made for the tests (once; ten seconds)...\n')
      await buildImages({ into: images, packages }).catch(async (error: unknown) => {
        if (!(error instanceof ImagesRefused) || !process.env['CI'] || process.getuid?.() !== 0) throw error
        await run('apt-get', ['update', '-qq']).catch(() => '') // without a network: what stood in the way is said below
        await buildImages({ into: images, packages })
      })
    }
    const old = readdirSync(cache).filter((name) => /^[0-9a-f]{16}$/.test(name)).map((name) => join(cache, name)).sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
    for (const folder of old.slice(KEPT)) if (folder !== images) rmSync(folder, { recursive: true, force: true })
    return { images, packages }
  } catch (error) {
    if (error instanceof ImagesRefused) { writeFileSync(refused, error.message); return { reason: error.message } }
    if (process.env['CI']) throw error
    return { reason: `no image could be made: ${(error as Error).message}` }
  } finally { lock.release() }
}

async function locked(dir: string): Promise<{ release(): void }> {
  for (const end = performance.now() + WAIT_MS; ; await delay(200)) {
    try { return lockDataDir(dir) } catch (error) { if (performance.now() > end) throw error /* somebody has been at it for minutes */ }
  }
}
