// Which graphics cards this machine has, and which of them a container can be given: a card counts when its vendor's driver shows it and a CDI file of the
// seller's names it. All that lies in between ("a card, but no driver") is told, with the one command that would change it.
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { readCdi } from './cdi.ts'
import type { CdiDevice } from './cdi.ts'

export type GpuRoots = { readonly proc: string; readonly sys: string; readonly dev: string; readonly cdi: readonly string[]; readonly nvidiaSmi: string }
export const GPU_ROOTS: GpuRoots = { proc: '/proc', sys: '/sys', dev: '/dev', cdi: ['/etc/cdi', '/var/run/cdi'], nvidiaSmi: 'nvidia-smi' }
const SMI_MS = 10_000

export type Card = {
  readonly vendor: Vendor; /** Its place on the PCI bus. */ readonly pci: string
  /** As the market names it. */
  readonly model: string; readonly memoryBytes: number | null
  /** Its device file on this machine, which no other card has. */
  readonly node: string
}
export type Gpu = Card & { readonly cdi: CdiDevice }
export type GpuProblem = { readonly says: string; readonly hint: string }
export type FoundGpus = { /** All alike, in the order of the bus. */ readonly gpus: readonly Gpu[]; readonly problems: readonly GpuProblem[] }
type Vendor = 'nvidia' | 'amd' | 'intel'
const VENDORS: Readonly<Record<string, Vendor>> = { '0x10de': 'nvidia', '0x1002': 'amd', '0x8086': 'intel' }
const NAMES: Readonly<Record<Vendor, string>> = { nvidia: 'NVIDIA', amd: 'AMD', intel: 'Intel' }
const DRIVER_HINT: Readonly<Record<Vendor, string>> = { nvidia: 'apt-get install -y nvidia-driver (Debian: from non-free), then restart', amd: 'modprobe amdgpu', intel: 'modprobe xe' }
const CDI_HINT: Readonly<Record<Vendor, string>> = { nvidia: 'nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml (from nvidia-container-toolkit)', amd: 'amd-ctk cdi generate --output=/etc/cdi/amd.json (from AMD’s container toolkit)', intel: 'write a CDI file for it into /etc/cdi: see github.com/intel/intel-resource-drivers-for-kubernetes' }

/** A card's name as the market says it: `NVIDIA GeForce RTX 4090` → `nvidia-geforce-rtx-4090`. */
export const modelOf = (vendor: Vendor, name: string): string => `${vendor}-${name.toLowerCase().replace(new RegExp(`^(${NAMES[vendor].toLowerCase()}|advanced micro devices, inc\\.?|\\[amd/ati\\])\\s+`), '').replaceAll(/[^a-z0-9.]+/g, '-').replaceAll(/^-+|-+$/g, '')}`.slice(0, 60).replace(/-+$/, '')

export async function findGpus(roots: GpuRoots = GPU_ROOTS): Promise<FoundGpus> {
  const problems: GpuProblem[] = []
  const memory = existsSync(join(roots.proc, 'driver/nvidia')) ? await nvidiaMemory(roots.nvidiaSmi) : new Map<string, number>()
  const cards = [...nvidiaCards(roots, memory), ...drmCards(roots)].sort((a, b) => (a.pci < b.pci ? -1 : 1))
  for (const { pci, vendor } of pciCards(roots.sys)) if (!cards.some((card) => card.pci === pci)) problems.push({ says: `a card of ${NAMES[vendor]} (${pci}), but no driver that shows it`, hint: DRIVER_HINT[vendor] })

  const cdi = readCdi(roots.cdi)
  for (const says of cdi.problems) problems.push({ says, hint: 'write it again as JSON: nvidia-ctk cdi generate --format=json --output=/etc/cdi/nvidia.json' })
  const gpus: Gpu[] = []
  for (const card of cards) {
    // The entry that names this card and no other: beside it there usually is one for all of them.
    const device = cdi.devices.find(({ own }) => own.some((node) => node.hostPath === card.node) && !cards.some((other) => other !== card && own.some((node) => node.hostPath === other.node)))
    if (device) gpus.push({ ...card, cdi: device })
    else if (!(card.vendor === 'intel' && isBootScreen(roots.sys, card.pci))) problems.push({ says: `${card.model} (${card.pci}) is named by no CDI file in ${roots.cdi.join(' or ')}: no container can be given it`, hint: CDI_HINT[card.vendor] })
  }
  // A node's cards are all alike: the market knows one model for a node.
  const kinds = Map.groupBy(gpus, ({ model }) => model), most = [...kinds.values()].sort((a, b) => b.length - a.length)[0] ?? []
  for (const [model, others] of kinds) if (others !== most) problems.push({ says: `${others.length} × ${model} beside ${most.length} × ${most[0]?.model}: a node has cards of one kind, so those are left out`, hint: 'join with a second agent for them, from another data directory' })
  return { gpus: most, problems }
}

const read = (path: string): string | null => { try { return readFileSync(path, 'utf8').trim() } catch { return null /* not here, or not for us */ } }
const list = (path: string): string[] => (existsSync(path) ? readdirSync(path) : [])

/** Cards of the PCI bus by class (display, 3D, processing accelerator) and vendor. */
function pciCards(sys: string): { pci: string; vendor: Vendor }[] {
  const bus = join(sys, 'bus/pci/devices')
  return list(bus).flatMap((pci) => {
    const vendor = VENDORS[read(join(bus, pci, 'vendor')) ?? '']
    return vendor && /^0x(0300|0302|1200)/.test(read(join(bus, pci, 'class')) ?? '') && !(vendor === 'intel' && isBootScreen(sys, pci)) ? [{ pci: pci.toLowerCase(), vendor }] : []
  })
}
/** What the machine's own screen hangs on. */
const isBootScreen = (sys: string, pci: string): boolean => read(join(sys, 'bus/pci/devices', pci, 'boot_vga')) === '1'

function nvidiaCards({ proc, dev }: GpuRoots, memory: ReadonlyMap<string, number>): Card[] {
  const dir = join(proc, 'driver/nvidia/gpus')
  return list(dir).flatMap((pci) => {
    const info = read(join(dir, pci, 'information')) ?? '', field = (name: string): string | undefined => new RegExp(`^${name}:\\s*(.+)$`, 'm').exec(info)?.[1]?.trim()
    const minor = field('Device Minor'), node = join(dev, `nvidia${minor}`)
    if (minor === undefined || !existsSync(node)) return []
    return [{ vendor: 'nvidia' as const, pci: pci.toLowerCase(), model: modelOf('nvidia', field('Model') ?? 'gpu'), memoryBytes: memory.get(field('GPU UUID') ?? '') ?? null, node }]
  })
}
/** By id; empty without the tool. It says mebibytes. */
function nvidiaMemory(nvidiaSmi: string): Promise<Map<string, number>> {
  return new Promise((resolve) => {
    execFile(nvidiaSmi, ['--query-gpu=uuid,memory.total', '--format=csv,noheader,nounits'], { timeout: SMI_MS, killSignal: 'SIGKILL' }, (_error, out) => {
      resolve(new Map(out.split('\n').flatMap((line) => { const [, uuid, mib] = /^(\S+), *(\d+)/.exec(line) ?? []; return uuid === undefined ? [] : [[uuid, Number(mib) * 1024 * 1024] as const] })))
    })
  })
}
/** AMD's and Intel's, by the kernel's own drivers. */
function drmCards({ sys, dev }: GpuRoots): Card[] {
  const dir = join(sys, 'class/drm')
  return list(dir).filter((name) => /^renderD\d+$/.test(name)).flatMap((name) => {
    const device = join(dir, name, 'device'), node = join(dev, 'dri', name), vendor = VENDORS[read(join(device, 'vendor')) ?? '']
    if (!vendor || vendor === 'nvidia' || !existsSync(node)) return []
    const pci = /^PCI_SLOT_NAME=(.+)$/m.exec(read(join(device, 'uevent')) ?? '')?.[1] ?? basename(name), bytes = read(join(device, 'mem_info_vram_total'))
    return [{ vendor, pci: pci.toLowerCase(), model: modelOf(vendor, read(join(device, 'product_name')) || (read(join(device, 'device')) ?? 'gpu').replace(/^0x/, '')), memoryBytes: bytes !== null && /^\d+$/.test(bytes) ? Number(bytes) : null, node }]
  })
}
