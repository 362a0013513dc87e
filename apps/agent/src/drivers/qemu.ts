// Programs in a machine of their own: QEMU with its own kernel, its own root file system that nobody can write, one disk with the job's files, and one serial
// line; no network device, nothing shared. By KVM where a machine was seen to start with it, else all in software (TCG). Level `vm`. What is no business of
// QEMU's is in machine-driver.ts.
//
// QEMU is not believed either. It takes on the stage's user id before bubblewrap starts, sees its own libraries, the image and one directory with the disk,
// speaks over two sockets it was born with, may open no others than local ones (our filter), start no programs (its own), and lives in the job's control group: the
// job's memory is the whole of it, QEMU's part included. It reads a template through a descriptor that was opened for reading, so no copy can change what the next one will be.
import { execFile } from 'node:child_process'
import { chmodSync, chownSync, createWriteStream, existsSync, readdirSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { IMAGE_FILES } from '../images/build-images.ts'
import type { IsolationDriver } from './driver.ts'
import { TAKE_MS, TEMPLATE_DISK, NO_MACHINES, cpuName, createMachineDriver, groundFor, hasMachines, kvmSuspect, reachableImage, within } from './machine-driver.ts'
import type { Absent, Controls, Plan } from './machine-driver.ts'
import { leaveLive } from './qemu-live.ts'
import { openMonitor } from './qemu-monitor.ts'
import { seccompFilter } from './seccomp.ts'
import { SAFE_PATH, inPath } from './stage.ts'
import type { Stages } from './stage.ts'

const MIB = 1024 * 1024
type Accelerator = 'kvm' | 'tcg'
/** Debian 12's; the words used here are older, but this is what was measured. */
const OLDEST = 7.2
/** Descriptors of bubblewrap (its filter, its options, its reports), then QEMU's: the line, the monitor, the way in of another one's memory, and the memory to wake from. */
const FILTER_FD = 3, OPTIONS_FD = 4, STATUS_FD = 5, LINE_FD = 6, MONITOR_FD = 7, ARRIVING_FD = 8, STATE_FD = 9
/** Translated code of the software processor. More makes long programs faster, and is memory of the job's. */
const CODE_MIB = 32
const VCPUS_MAX = 16
/** A template's own start. With KVM it takes a second; a /dev/kvm that opens and cannot run a kernel shows itself by this. */
const BOOT_MS: Readonly<Record<Accelerator, number>> = { kvm: 6_000, tcg: 90_000 }

export type QemuOptions = {
  readonly scratch: string; readonly stages: Stages
  /** Where `lumaris images build` has put the image. */
  readonly images: string
  readonly qemu?: string
  /** What QEMU needs to see of this machine besides its libraries and the firmware, where it is installed in an unusual way. */
  readonly sees?: readonly string[]
  /** In the order in which they are tried. */
  readonly accelerators?: readonly Accelerator[]
}

const ask = (program: string, ...args: string[]): Promise<string> => new Promise((resolve) => { execFile(program, args, { env: { PATH: SAFE_PATH }, timeout: 10_000 }, (_error, out, err) => resolve(`${out}${err}`)) })

/** The driver, or why there is none and the one command that would change it. */
export async function createQemuDriver(options: QemuOptions): Promise<IsolationDriver | Absent> {
  const { scratch, stages, images } = options
  const install = 'apt-get install -y qemu-system-x86 bubblewrap'
  if (!hasMachines) return NO_MACHINES
  const qemu = options.qemu ?? inPath('qemu-system-x86_64'), bwrap = inPath('bwrap'), filter = seccompFilter()
  if (qemu === null || bwrap === null) return { reason: `${qemu === null ? 'QEMU' : 'bubblewrap'} is not installed`, hint: install }
  const found = await groundFor(stages, images)
  if ('reason' in found) return found
  const version = /version (\d+\.\d+)[.\d]*/.exec(await ask(qemu, '--version')), release = version?.[0].slice('version '.length) ?? ''
  if (version === null || Number(version[1]) < OLDEST) return { reason: `QEMU ${release || 'of an unknown version'} is older than ${OLDEST}, the oldest that was measured`, hint: install }
  const image = await reachableImage(images, scratch)
  const libraries = [...await librariesOf(qemu), ...options.sees ?? []]
  let accelerator: Accelerator = 'tcg'
  const kvm = kvmSuspect()

  const plan = async ({ stage, inside, memoryMib, vcpus, disk, from, arriving }: Plan) => {
    const uid = stage.uid as number
    if (accelerator === 'kvm') await ownKvm(join(inside, 'kvm'), uid)
    const jail = [
      '--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', ...(existsSync('/proc/self/ns/cgroup') ? ['--unshare-cgroup'] : []), '--die-with-parent', '--new-session',
      '--uid', '65534', '--gid', '65534', '--hostname', 'machine', ...libraries.flatMap((path) => ['--ro-bind', path, path]), '--ro-bind', image, '/image', '--bind', inside, '/run', '--dev', '/dev',
      ...(accelerator === 'kvm' ? ['--dev-bind', join(inside, 'kvm'), '/dev/kvm'] : []), '--perms', '1777', '--size', String(MIB), '--tmpfs', '/dev/shm', '--remount-ro', '/dev', '--remount-ro', '/',
      '--chdir', '/', '--clearenv', '--setenv', 'PATH', SAFE_PATH, '--cap-drop', 'ALL', '--disable-userns',
    ]
    const launcher = stage.wrap([
      // The disk cannot be made larger from inside QEMU either.
      '/bin/sh', '-c', `ulimit -f ${Math.ceil((disk ? statSync(join(inside, 'disk')).size : 0) / 512)} && { test -z "$1" || exec ${STATE_FD}<"$1"; } && shift && exec "$@"`, 'sh', from === null ? '' : join(from, 'memory'),
      bwrap, '--seccomp', String(FILTER_FD), '--json-status-fd', String(STATUS_FD), '--args', String(OPTIONS_FD), '--', qemu, ...machineArgs({ accelerator, memoryMib, vcpus, disk, incoming: arriving ? 'stands' : from !== null ? 'runs' : null }),
    ], STATUS_FD, true)
    return { launcher, feeds: [filter as Buffer, Buffer.from(jail.map((word) => `${word}\0`).join(''))], sockets: arriving ? 3 : 2, open: ([line, monitor, memory]: readonly Duplex[]) => control({ line: line as Duplex, monitor: openMonitor(monitor as Duplex), inside, uid, memory: memory ?? null }) }
  }
  return createMachineDriver({
    scratch, stages, manifest: found.manifest,
    hypervisor: {
      id: 'qemu', stateFiles: ['memory'], vcpus: (available) => Math.min(available, VCPUS_MAX), inside: 'machine', inVault: true, live: true,
      maker: () => `qemu ${release} ${accelerator}${accelerator === 'kvm' ? ` ${cpuName()}` : ''}`,
      ways: (options.accelerators ?? (kvm === null ? ['kvm', 'tcg'] as const : ['tcg'] as const)).map((name) => ({ name, bootMs: BOOT_MS[name], use() { accelerator = name } })),
      evidence: () => ({ ...(kvm === null ? {} : { kvm }), qemu: `${release}, ${accelerator}` }), plan,
    },
  })
}

function control({ line, monitor, inside, uid, memory }: { line: Duplex; monitor: ReturnType<typeof openMonitor>; inside: string; uid: number; memory: Duplex | null }): Controls {
  const over = async () => { await monitor.ask('migrate-set-capabilities', { capabilities: [{ capability: 'events', state: true }, { capability: 'pause-before-switchover', state: false }] }); return { status: monitor.next('MIGRATION', (data) => data?.status === 'completed' || data?.status === 'failed') } }
  return {
    line,
    boot: () => monitor.up,
    async wake() {
      await monitor.up
      const { status } = await over()
      await monitor.ask('migrate-incoming', { uri: `fd:${STATE_FD}` })
      if ((await status)?.status !== 'completed') throw new Error('QEMU could not read its memory')
      await monitor.ask('cont')
    },
    async halt() { await monitor.ask('stop') },
    async goOn() { await monitor.ask('cont') },
    // QEMU writes its memory to a file of ours, over a socket in the machine's own directory.
    async take(into, bytesMax) {
      const socketPath = join(inside, 'take')
      let bytes = 0
      const bounded = new Transform({ transform(chunk: Buffer, _encoding, next) { bytes += chunk.length; next(bytes > bytesMax ? new Error(`its memory is more than ${bytesMax} bytes`) : null, chunk) } })
      const written = Promise.withResolvers<void>()
      const server = createServer((socket) => { server.close(); pipeline(socket, bounded, createWriteStream(join(into, 'memory'), { flags: 'wx', mode: 0o600 })).then(written.resolve, written.reject) })
      written.promise.catch(() => undefined /* as below */)
      await new Promise<void>((resolve, reject) => { server.once('error', reject).listen(socketPath, () => resolve()) })
      try {
        chownSync(socketPath, uid, uid); chmodSync(socketPath, 0o600)
        const { status } = await over()
        await monitor.ask('migrate-set-parameters', { 'max-bandwidth': 2 ** 40 })
        await monitor.ask('stop')
        await monitor.ask('migrate', { uri: 'unix:/run/take' })
        if ((await within(TAKE_MS, status))?.status !== 'completed') throw new Error('QEMU could not write the memory of the machine')
        await within(TAKE_MS, written.promise)
      } finally { server.close() }
    },
    leave: (to, hold) => leaveLive({ monitor, inside, uid, diskBytes: statSync(join(inside, 'disk')).size, to, hold }),
    async arrive() {
      await monitor.up
      const { status } = await over()
      await monitor.ask('migrate-incoming', { uri: `fd:${ARRIVING_FD}` })
      const socket = memory as Duplex
      return {
        memory: (piece) => new Promise((resolve, reject) => { socket.write(piece, (error) => (error ? reject(error) : resolve())) }),
        async complete() { if ((await within(TAKE_MS, status))?.status !== 'completed') throw new Error('QEMU could not read the memory that came') },
      }
    },
    quit() { monitor.ask('quit').catch(() => undefined /* it has ended already */) },
  }
}

function machineArgs({ accelerator, memoryMib, vcpus, disk, incoming }: { accelerator: Accelerator; memoryMib: number; vcpus: number; disk: boolean; /** It wakes of another one's memory, and then runs or stands still. */ incoming: 'runs' | 'stands' | null }): string[] {
  return [
    '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
    '-accel', accelerator === 'kvm' ? 'kvm' : `tcg,tb-size=${CODE_MIB}`, '-cpu', accelerator === 'kvm' ? 'host' : 'max', '-m', String(memoryMib), '-smp', String(vcpus), '-M', 'q35,sata=off,smbus=off,i8042=off,vmport=off,hpet=off',
    '-kernel', `/image/${IMAGE_FILES.kernel}`, '-initrd', `/image/${IMAGE_FILES.initrd}`,
    // A busy host gives the clock's interrupts late, and the kernel would take the clock for broken (seen as a panic).
    '-append', 'console=ttyS0 quiet reboot=t panic=-1 nokaslr mitigations=off nopti init_on_alloc=0 random.trust_cpu=on rcupdate.rcu_expedited=1 8250.nr_uarts=1 audit=0 cryptomgr.notests no_timer_check lsm=',
    '-blockdev', `driver=file,filename=/image/${IMAGE_FILES.root},node-name=root,read-only=on`, '-device', 'virtio-blk-pci,drive=root',
    // What the disk holds is worth nothing once QEMU is gone, so nobody waits for it to be written.
    '-blockdev', disk ? 'driver=file,filename=/run/disk,node-name=work,cache.no-flush=on' : `driver=null-co,node-name=work,size=${TEMPLATE_DISK},read-zeroes=on`, '-device', 'virtio-blk-pci,drive=work',
    '-chardev', `socket,id=line,fd=${LINE_FD}`, '-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=line,name=lumaris',
    '-chardev', `socket,id=monitor,fd=${MONITOR_FD}`, '-mon', 'chardev=monitor,mode=control', '-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console',
    ...(incoming === null ? [] : ['-incoming', 'defer']), ...(incoming === 'stands' ? ['-S'] : []),
  ]
}

/** The device under the machine's own user id: where it belongs to a group, that user is not in it. */
async function ownKvm(path: string, uid: number): Promise<void> {
  const { rdev } = statSync('/dev/kvm')
  await ask('mknod', '-m', '0600', path, 'c', String(rdev >> 8), String(rdev & 255))
  chownSync(path, uid, uid)
}

/** QEMU's own files and nothing else of the machine: what the loader says it needs, and the firmware. */
async function librariesOf(qemu: string): Promise<string[]> {
  const modules = ['/usr/lib/x86_64-linux-gnu/qemu', '/usr/lib64/qemu'].find((path) => existsSync(path))
  const parts = modules === undefined ? [] : readdirSync(modules).filter((name) => /^accel-.*x86_64\.so$/.test(name)).map((name) => join(modules, name))
  const text = (await Promise.all([qemu, ...parts].map((file) => ask('ldd', file)))).join('\n')
  const libraries = [...text.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map((one) => one[1] as string)
  const data = ['/usr/share/qemu', '/usr/share/seabios'].filter((path) => existsSync(path))
  return [...new Set([qemu, ...parts, ...libraries, ...data])]
}
