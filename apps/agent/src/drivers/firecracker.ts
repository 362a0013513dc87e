// Programs in a machine of their own, run by Firecracker: by KVM only, with fewer devices than QEMU has (two disks and one line), around it its own jailer. The
// machine, its image and what is said to it are the same as for `qemu`: machine-driver.ts. Contract-tested, not yet run on hardware: what is said to jailer and Firecracker
// is checked against their own description, by a stand-in that runs the machine in QEMU.
//
// The jailer is started as root, in the job's control group and in namespaces without a network; it makes a root directory with Firecracker, /dev/kvm and what we have
// laid there, goes into it, takes on the stage's user id, and becomes Firecracker, which filters its own system calls. The image is linked there and belongs
// to root. The memory of a template too: Firecracker maps it as its own copy, so machines share what none of them has changed.
//
// Outside, Firecracker's two sockets are the only thing that is looked at; the machine could exchange them, so they are looked at before they are spoken to (firecracker-api.ts).
import { execFile } from 'node:child_process'
import { chownSync, closeSync, ftruncateSync, linkSync, openSync, readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { duplexPair } from 'node:stream'
import type { Duplex, Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { IMAGE_FILES } from '../images/build-images.ts'
import { vmlinuxOf } from '../images/vmlinux.ts'
import type { IsolationDriver } from './driver.ts'
import { callInside, openApi } from './firecracker-api.ts'
import { GONE } from './machine-channel.ts'
import { HOST_FILES, TAKE_MS, TEMPLATE_DISK, cpuName, NO_MACHINES, createMachineDriver, groundFor, hasMachines, kvmSuspect, reachableImage } from './machine-driver.ts'
import type { Absent, Controls, Plan } from './machine-driver.ts'
import { SAFE_PATH, inPath } from './stage.ts'
import type { Stages } from './stage.ts'

const MIB = 1024 * 1024
/** Since then it describes its devices by ACPI, which is how Debian's kernel finds them. */
const OLDEST = [1, 8] as const
/** A machine that KVM can run is up in a second. */
const BOOT_MS = 6_000
const NAME = 'firecracker', ID = 'machine'
const STATUS_FD = 3
const VCPUS_MAX = 32
/** What the agent inside listens on (images/guest/agent.py), and how often we knock until it does. */
const PORT = 1024, KNOCK_MS = 20
/** 0 to 2 have meanings of their own. */
const CID = 3
const BOOT_ARGS = 'console=ttyS0 quiet reboot=k panic=-1 nokaslr init_on_alloc=0 random.trust_cpu=on rcupdate.rcu_expedited=1 8250.nr_uarts=1 i8042.noaux i8042.nomux i8042.dumbkbd audit=0 no_timer_check lsm='

export type FirecrackerOptions = {
  readonly scratch: string; readonly stages: Stages; readonly images: string
  /** Programs in the place of the installed ones, and what of KVM they need: for tests. */
  readonly firecracker?: string; readonly jailer?: string; readonly kvm?: () => string | null; readonly bootMs?: number
}

const version = (program: string): Promise<string | null> => new Promise((resolve) => { execFile(program, ['--version'], { env: { PATH: SAFE_PATH }, timeout: 10_000 }, (_error, out) => resolve(/v?(\d+\.\d+\.\d+\S*)/.exec(out)?.[1] ?? null)) })

/** The driver, or why there is none and what would change it. */
export async function createFirecrackerDriver(options: FirecrackerOptions): Promise<IsolationDriver | Absent> {
  const { scratch, stages, images } = options
  if (!hasMachines) return NO_MACHINES
  const firecracker = options.firecracker ?? inPath(NAME), jailer = options.jailer ?? inPath('jailer'), unshare = inPath('unshare'), setpriv = inPath('setpriv')
  const missing = firecracker === null ? 'Firecracker' : jailer === null ? 'its jailer' : unshare === null || setpriv === null ? 'util-linux' : null
  if (firecracker === null || jailer === null || unshare === null || setpriv === null) return { reason: `${missing} is not installed`, hint: 'put firecracker and jailer of one release of github.com/firecracker-microvm/firecracker into /usr/local/bin' }
  const suspect = (options.kvm ?? kvmSuspect)()
  if (suspect !== null) return { reason: suspect, hint: 'use a machine of its own, or one that lets its guests run machines' }
  const found = await groundFor(stages, images)
  if ('reason' in found) return found
  const release = await version(firecracker), [major = 0, minor = 0] = (release ?? '').split('.').map(Number)
  if (release === null || major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) return { reason: `Firecracker ${release ?? 'of an unknown version'} is older than ${OLDEST.join('.')}, the oldest whose devices this kernel finds`, hint: 'take a newer release of Firecracker' }
  if (await version(jailer) !== release) return { reason: 'Firecracker and its jailer are of different releases', hint: 'take both from one release' }
  const image = await reachableImage(images, scratch)
  writeFileSync(join(image, 'vmlinux'), vmlinuxOf(readFileSync(join(image, IMAGE_FILES.kernel))), { mode: 0o644 })
  // The jailer names a directory after the program, whatever links led to it.
  const program = realpathSync(firecracker)

  const plan = async ({ stage, inside, memoryMib, vcpus, disk, from }: Plan) => {
    const uid = stage.uid as number
    for (const file of ['vmlinux', IMAGE_FILES.initrd, IMAGE_FILES.root]) linkSync(join(image, file), join(inside, file))
    if (!disk) { const file = openSync(join(inside, 'disk'), 'wx', 0o600); ftruncateSync(file, TEMPLATE_DISK); closeSync(file); chownSync(join(inside, 'disk'), uid, uid) }
    // A template's are linked: they belong to root, and none of its machines can write them.
    if (from !== null) for (const file of ['memory', 'state']) linkSync(join(from, file), join(inside, file))
    const fileMax = Math.max(disk ? statSync(join(inside, 'disk')).size : 0, (memoryMib + 64) * MIB)
    const launcher = stage.wrap([
      setpriv, '--pdeathsig', 'KILL', unshare, '--net', '--ipc', '--uts', '--pid', '--fork', '--kill-child', '--',
      jailer, '--id', ID, '--exec-file', program, '--uid', String(uid), '--gid', String(uid), '--chroot-base-dir', join(inside, '..', '..', '..'),
      '--resource-limit', `fsize=${fileMax}`, '--resource-limit', `no-file=${HOST_FILES}`, '--', '--api-sock', '/api',
    ], STATUS_FD, false, true)
    return {
      launcher, feeds: [], sockets: 0,
      open(_sockets: readonly Duplex[], [out]: readonly Readable[]): Controls {
        const [line, far] = duplexPair(), over = new AbortController()
        const api = openApi(join(inside, 'api'), uid, over.signal)
        out?.once('close', () => { over.abort(); api.close(); far.end() })
        /** Until somebody inside answers. */
        const call = async (): Promise<void> => {
          for (; !over.signal.aborted; await delay(KNOCK_MS)) {
            const socket = await callInside(join(inside, 'line'), PORT, uid)
            if (socket === null) continue
            socket.pipe(far).pipe(socket)
            socket.once('close', () => far.end())
            return
          }
          throw new Error(GONE)
        }
        return {
          line,
          async boot() {
            await api.up()
            await api.ask('size', { vcpu_count: vcpus, mem_size_mib: memoryMib, smt: false, track_dirty_pages: false })
            await api.ask('kernel', { kernel_image_path: '/vmlinux', initrd_path: `/${IMAGE_FILES.initrd}`, boot_args: BOOT_ARGS })
            await api.ask('root', { drive_id: 'root', is_root_device: true, is_read_only: true, path_on_host: `/${IMAGE_FILES.root}`, cache_type: 'Unsafe', io_engine: 'Sync' })
            await api.ask('work', { drive_id: 'work', is_root_device: false, is_read_only: false, path_on_host: '/disk', cache_type: 'Unsafe', io_engine: 'Sync' })
            await api.ask('line', { guest_cid: CID, uds_path: '/line' })
            await api.ask('boot', { action_type: 'InstanceStart' })
            await call()
          },
          async wake() {
            await api.up()
            await api.ask('load', { snapshot_path: '/state', mem_backend: { backend_type: 'File', backend_path: '/memory' }, resume_vm: true }, TAKE_MS)
            await call()
          },
          async halt() { await api.ask('state', { state: 'Paused' }) },
          async goOn() { await api.ask('state', { state: 'Resumed' }) },
          // As large as the machine's memory, and what Firecracker writes beyond that it is not allowed to write.
          async take(into) {
            await api.ask('state', { state: 'Paused' })
            await api.ask('take', { snapshot_type: 'Full', snapshot_path: '/state-taken', mem_file_path: '/memory-taken' }, TAKE_MS)
            for (const file of ['memory', 'state']) renameSync(join(inside, `${file}-taken`), join(into, file))
          },
          // It has no word for that.
          quit() { stage.cgroup?.killAll() },
        }
      },
    }
  }
  return createMachineDriver({
    scratch, stages, manifest: found.manifest,
    hypervisor: {
      id: 'firecracker', stateFiles: ['memory', 'state'], vcpus: (available) => (available < 2 ? 1 : Math.min(VCPUS_MAX, available - (available % 2))), inside: `${basename(program)}/${ID}/root`,
      live: false, inVault: false, // the image is linked there, and links do not leave their file system
      maker: () => `firecracker ${release} ${cpuName()}`, ways: [{ name: 'firecracker', bootMs: options.bootMs ?? BOOT_MS, use: () => undefined }], evidence: () => ({ firecracker: `${release}; contract-tested, not yet run on hardware` }), plan,
    },
  })
}
