// A machine in software for tests of what the kernel of the machine they run on lacks: the image's kernel and root, a program of ours with the agent's own code, and
// what else of Debian it is given. The program tells facts, a line of JSON after `@@` each; the test judges them.
import { execFileSync, spawn } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { inPath } from '../drivers/stage.ts'
import { IMAGE_FILES, modulesOf, readManifest } from './build-images.ts'
import { cpioOf } from './cpio.ts'
import type { CpioEntry } from './cpio.ts'
import { closureOf, fetchPackages, run } from './packages.ts'
import type { Package } from './packages.ts'

export type MachineOptions = {
  readonly kept: { readonly images: string; readonly packages: string }
  /** Runs as root when all is mounted; what it imports of ours goes with it. */
  readonly program: string
  /** Debian packages and modules of the kernel beyond those of the image. */
  readonly packages?: readonly string[]; readonly modules?: readonly string[]
  /** A raw disk that is mounted on /mnt, `/dev/vdc`. */
  readonly disk?: string
  readonly boundMs: number
}
export type Told = { readonly said: string; readonly facts: ReadonlyMap<string, Record<string, unknown>> }

const FIRST = `#!/bin/busybox sh
export PATH=/bin
mount -t devtmpfs dev /dev
for module in $(cat /modules/order) $(cat /modules/more); do insmod "/modules/$module"; done
mount -t ext4 -o ro /dev/vda /lower
mount -t ext4 -o ro /dev/vdb /more
mount -t overlay -o lowerdir=/more/tree:/lower overlay /root
mount --bind /more /root/work
[ -e /dev/vdc ] && mount -t ext4 /dev/vdc /root/mnt
mount -t devtmpfs dev /root/dev
mount -t proc proc /root/proc
mount -t sysfs sys /root/sys
mount -t cgroup2 cgroup /root/sys/fs/cgroup
mount -t tmpfs tmp /root/tmp
exec switch_root /root /bin/sh /work/run
`

export async function runMachine({ kept, program, packages = [], modules = [], disk, boundMs }: MachineOptions): Promise<Told> {
  const dir = mkdtempSync(join(tmpdir(), 'lumaris-machine-'))
  try {
    const files = join(dir, 'files'), lib = join(files, 'lib'), tree = join(files, 'tree')
    for (const path of [lib, tree]) mkdirSync(path, { recursive: true })
    copyFileSync(process.execPath, join(files, 'node'))
    for (const [, path = ''] of execFileSync('ldd', [process.execPath], { encoding: 'utf8' }).matchAll(/=> (\/\S*\/lib(?:stdc\+\+|gcc_s|atomic)\.\S+) /g)) copyFileSync(path, join(lib, basename(path)))
    copyProgram(program, files)
    writeFileSync(join(files, 'run'), `/usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LD_LIBRARY_PATH=/work/lib /work/node /work/${basename(program, '.ts')}.mjs > /dev/ttyS0 2>&1\necho @@over > /dev/ttyS0\nbusybox poweroff -f\n`)
    await unpackInto(tree, await missingOf(kept.images, packages), kept.packages)
    execFileSync('mke2fs', ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-d', files, join(dir, 'disk'), '320M'])
    const kernel = join(dir, 'kernel'), one = readManifest(join(kept.images, 'manifest.json')).packages.find(({ name }) => /^linux-image-\d/.test(name)) as Package
    await run('dpkg-deb', ['-x', (await fetchPackages([one], kept.packages)).get(one.name) as string, kernel])
    const more = await modulesOf(kernel, ['overlay', ...modules])
    // Of two archives in a row the kernel unpacks both, and the later file stands.
    writeFileSync(join(dir, 'initrd'), Buffer.concat([readFileSync(join(kept.images, IMAGE_FILES.initrd)), cpioOf([
      ...['lower', 'more'].map((path): CpioEntry => ({ path, kind: 'dir' })), { path: 'init', kind: 'file', mode: 0o755, bytes: Buffer.from(FIRST) },
      { path: 'modules/more', kind: 'file', mode: 0o644, bytes: Buffer.from([...more.keys()].join('\n')) }, ...[...more].map(([name, bytes]): CpioEntry => ({ path: `modules/${name}`, kind: 'file', mode: 0o644, bytes })),
    ])]))
    const drive = (file: string, name: string, readOnly = true): string[] => ['-blockdev', `driver=file,filename=${file},node-name=${name},read-only=${readOnly ? 'on' : 'off'}`, '-device', `virtio-blk-pci,drive=${name}`]
    const machine = spawn(inPath('qemu-system-x86_64') as string, [
      '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-accel', 'tcg,tb-size=128', '-cpu', 'max', '-m', '768', '-smp', '2', '-M', 'q35,sata=off,smbus=off,i8042=off,vmport=off,hpet=off',
      '-kernel', join(kept.images, IMAGE_FILES.kernel), '-initrd', join(dir, 'initrd'), '-append', 'console=ttyS0 quiet reboot=t panic=-1 nokaslr mitigations=off nopti random.trust_cpu=on audit=0 no_timer_check lsm=',
      ...drive(join(kept.images, IMAGE_FILES.root), 'root'), ...drive(join(dir, 'disk'), 'work'), ...(disk === undefined ? [] : drive(disk, 'data', false)), '-serial', 'stdio',
    ], { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    for (const stream of [machine.stdout, machine.stderr]) stream.on('data', (chunk) => { said += String(chunk) })
    const late = setTimeout(() => { machine.kill('SIGKILL') }, boundMs)
    await new Promise((resolve) => machine.once('close', resolve))
    clearTimeout(late)
    return { said, facts: new Map([...said.matchAll(/^@@(\{.*\})\r?$/gm)].map(([, line = '']) => { const { name, ...rest } = JSON.parse(line) as { name: string }; return [name, rest] })) }
  } finally { rmSync(dir, { recursive: true, force: true }) }
}

/** Without types: what takes them away is slow to start in software. */
function copyProgram(from: string, into: string, done = new Set<string>()): void {
  if (done.has(from)) return
  done.add(from)
  const source = stripTypeScriptTypes(readFileSync(from, 'utf8'))
  writeFileSync(join(into, basename(from).replace(/\.ts$/, '.mjs')), source.replaceAll(/(from '\.\/[\w-]+)\.ts'/g, "$1.mjs'"))
  for (const [, name = ''] of source.matchAll(/^(?:import|export) .* from '\.\/([\w-]+\.ts)'/gm)) copyProgram(join(dirname(from), name), into, done)
}
/** With what they need, less what the image has. */
async function missingOf(images: string, names: readonly string[]): Promise<Package[]> {
  const has = new Set(readManifest(join(images, 'manifest.json')).packages.map(({ name }) => name))
  return names.length === 0 ? [] : (await closureOf(names)).filter(({ name }) => !has.has(name))
}
async function unpackInto(tree: string, packages: readonly Package[], folder: string): Promise<void> {
  for (const deb of (await fetchPackages(packages, folder)).values()) await run('dpkg-deb', ['-x', deb, tree])
  // /bin and its like are links in the image, which folders of these names would hide.
  for (const name of readdirSync(tree).filter((one) => ['bin', 'sbin', 'lib', 'lib64'].includes(one))) { cpSync(join(tree, name), join(tree, 'usr', name), { recursive: true, verbatimSymlinks: true }); rmSync(join(tree, name), { recursive: true }) }
  for (const path of ['usr/share/doc', 'usr/share/man', 'usr/share/locale', 'var']) if (existsSync(join(tree, path))) rmSync(join(tree, path), { recursive: true })
}
