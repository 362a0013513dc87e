// Which graphics cards this machine has, and which of them a container can be given: a card counts when its vendor's driver shows it and a CDI file of the
// seller's names it. Of a card that is divided its partitions count, each by itself, and never the card. All that lies in between ("a card, but no driver") is told, with the one command that would change it.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { readCdi } from './cdi.ts'
import type { CdiDevice } from './cdi.ts'
import { dividedCards, hasInstances, readInstances, smiOf } from './mig.ts'

export type GpuRoots = { readonly proc: string; readonly sys: string; readonly dev: string; readonly cdi: readonly string[]; readonly nvidiaSmi: string }
const GPU_ROOTS: GpuRoots = { proc: '/proc', sys: '/sys', dev: '/dev', cdi: ['/etc/cdi', '/var/run/cdi'], nvidiaSmi: 'nvidia-smi' }

export type Card = {
  readonly vendor: Vendor; /** Its place on the PCI bus. */ readonly pci: string
  /** As the market names it. */
  readonly model: string; readonly memoryBytes: number | null
  /** Its device file on this machine, which no other card has. */
  readonly node: string
  /** It is a partition of such a card: what its maker calls it, and how many thousandths of the card it has. */
  readonly part?: { readonly profile: string; readonly share: number; /** Files that no other partition has. */ readonly nodes: readonly string[] }
}
export type Gpu = Card & { readonly cdi: CdiDevice }
export type GpuProblem = { readonly says: string; readonly hint: string }
export type FoundGpus = {
  /** All alike, in the order of the bus. */ readonly gpus: readonly Gpu[]; readonly problems: readonly GpuProblem[]
  /** Of other kinds: not handed out here, and not to be seen by what runs here. */ readonly others?: readonly Gpu[]
}
/** What the cards of a node have in common: their model, and how they are divided. */
export const kindOf = ({ model, part }: Pick<Card, 'model' | 'part'>): string => (part ? `${model}/${part.profile}` : model)
type Vendor = 'nvidia' | 'amd' | 'intel'
const VENDORS: Readonly<Record<string, Vendor>> = { '0x10de': 'nvidia', '0x1002': 'amd', '0x8086': 'intel' }
const NAMES: Readonly<Record<Vendor, string>> = { nvidia: 'NVIDIA', amd: 'AMD', intel: 'Intel' }
const DRIVER_HINT: Readonly<Record<Vendor, string>> = { nvidia: 'apt-get install -y nvidia-driver (Debian: from non-free), then restart', amd: 'modprobe amdgpu', intel: 'modprobe xe' }
const CDI_HINT: Readonly<Record<Vendor, string>> = { nvidia: 'nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml (from nvidia-container-toolkit)', amd: 'amd-ctk cdi generate --output=/etc/cdi/amd.json (from AMD’s container toolkit)', intel: 'write a CDI file for it into /etc/cdi: see github.com/intel/intel-resource-drivers-for-kubernetes' }

/** A card's name as the market says it: `NVIDIA GeForce RTX 4090` → `nvidia-geforce-rtx-4090`. */
export const modelOf = (vendor: Vendor, name: string): string => `${vendor}-${name.toLowerCase().replace(new RegExp(`^(${NAMES[vendor].toLowerCase()}|advanced micro devices, inc\\.?|\\[amd/ati\\])\\s+`), '').replaceAll(/[^a-z0-9.]+/g, '-').replaceAll(/^-+|-+$/g, '')}`.slice(0, 60).replace(/-+$/, '')

/** `kind` is the one to hand out where there are several; else the one of which there is most. */
export async function findGpus(roots: GpuRoots = GPU_ROOTS, kind?: string): Promise<FoundGpus> {
  const problems: GpuProblem[] = []
  const smi = smiOf(roots.nvidiaSmi), isHere = existsSync(join(roots.proc, 'driver/nvidia'))
  const memory = isHere ? await nvidiaMemory(smi) : new Map<string, number>()
  const whole = [...nvidiaCards(roots, memory), ...drmCards(roots, problems)].sort(byPlace)
  const cards = isHere ? await divide(roots, smi, whole, problems) : whole
  for (const { pci, vendor } of pciCards(roots.sys)) if (!whole.some((card) => card.pci === pci)) problems.push({ says: `a card of ${NAMES[vendor]} (${pci}), but no driver that shows it`, hint: DRIVER_HINT[vendor] })

  const cdi = readCdi(roots.cdi)
  for (const says of cdi.problems) problems.push({ says, hint: 'write it again as JSON: nvidia-ctk cdi generate --format=json --output=/etc/cdi/nvidia.json' })
  const gpus: Gpu[] = []
  for (const card of cards) {
    const device = cdi.devices.find((one) => isOnly(one, card, cards, whole))
    if (device) gpus.push({ ...card, cdi: device })
    else if (!(card.vendor === 'intel' && isBootScreen(roots.sys, card.pci))) problems.push({ says: `${kindOf(card)} (${card.pci}) is named by no CDI file in ${roots.cdi.join(' or ')}: no container can be given it`, hint: CDI_HINT[card.vendor] })
  }
  // A node's cards are all alike: the market knows one model for a node.
  const kinds = Map.groupBy(gpus, kindOf), most = (kind === undefined ? [...kinds.values()].sort((a, b) => b.length - a.length)[0] : kinds.get(kind)) ?? [], others = gpus.filter((gpu) => !most.includes(gpu))
  if (kind !== undefined && most.length === 0) problems.push({ says: `there is no ${kind} here that containers can be given`, hint: kinds.size === 0 ? 'leave out --gpu-kind' : `--gpu-kind ${[...kinds.keys()].join(' or ')}` })
  for (const [name, left] of kinds) if (left !== most && most[0]) problems.push({ says: `${left.length} × ${name} beside ${most.length} × ${kindOf(most[0])}: a node has cards of one kind, so those are left out`, hint: `join with a second agent for them, from another data directory: --gpu-kind ${name}` })
  return { gpus: most, problems, ...(others.length > 0 ? { others } : {}) }
}
const byPlace = (a: Card, b: Card): number => (a.pci < b.pci ? -1 : 1)

/** The entry that names this card and no other: beside it there usually is one for all of them. That of a partition names its card too, and no other partition. */
function isOnly({ own }: CdiDevice, card: Card, cards: readonly Card[], whole: readonly Card[]): boolean {
  const has = (node: string): boolean => own.some(({ hostPath }) => hostPath === node)
  return has(card.node) && (card.part?.nodes ?? []).every(has) && !whole.some((other) => other.node !== card.node && has(other.node)) && !cards.some((other) => other !== card && other.part?.nodes.some(has))
}

/** Cards that are divided give way to their partitions. */
async function divide(roots: GpuRoots, smi: ReturnType<typeof smiOf>, whole: readonly NvidiaCard[], problems: GpuProblem[]): Promise<Card[]> {
  const inMode = await dividedCards(smi), divided = whole.flatMap(({ uuid, minor }) => (uuid !== undefined && minor !== undefined && (inMode.has(uuid) || hasInstances(roots, minor)) ? [{ uuid, minor }] : []))
  if (divided.length === 0) return [...whole]
  const found = await readInstances(roots, smi, divided)
  return whole.flatMap((card): Card[] => {
    const parts = card.uuid === undefined ? undefined : found.get(card.uuid)
    if (!parts) return [card]
    for (const says of parts.problems) problems.push({ says: `${card.model} (${card.pci}): ${says}`, hint: 'divide it into instances that compute as a whole: nvidia-smi mig -cgi PROFILE -C; or nvidia-smi -mig 0 for the whole card' })
    return parts.instances.map(({ profile, share, memoryBytes, nodes }) => ({ ...card, memoryBytes, part: { profile, share, nodes } }))
  })
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

type NvidiaCard = Card & { readonly uuid?: string; readonly minor?: string }
function nvidiaCards({ proc, dev }: GpuRoots, memory: ReadonlyMap<string, number>): NvidiaCard[] {
  const dir = join(proc, 'driver/nvidia/gpus')
  return list(dir).flatMap((pci) => {
    const info = read(join(dir, pci, 'information')) ?? '', field = (name: string): string | undefined => new RegExp(`^${name}:\\s*(.+)$`, 'm').exec(info)?.[1]?.trim()
    const minor = field('Device Minor'), node = join(dev, `nvidia${minor}`)
    if (minor === undefined || !existsSync(node)) return []
    const uuid = field('GPU UUID')
    return [{ vendor: 'nvidia' as const, pci: pci.toLowerCase(), model: modelOf('nvidia', field('Model') ?? 'gpu'), memoryBytes: memory.get(uuid ?? '') ?? null, node, minor, ...(uuid === undefined ? {} : { uuid }) }]
  })
}
/** By id; empty without the tool. It says mebibytes. */
async function nvidiaMemory(smi: ReturnType<typeof smiOf>): Promise<Map<string, number>> {
  const out = await smi(['--query-gpu=uuid,memory.total', '--format=csv,noheader,nounits'])
  return new Map(out.split('\n').flatMap((line) => { const [, uuid, mib] = /^(\S+), *(\d+)/.exec(line) ?? []; return uuid === undefined ? [] : [[uuid, Number(mib) * 1024 * 1024] as const] }))
}
/** AMD's and Intel's, by the kernel's own drivers. */
function drmCards({ sys, dev }: GpuRoots, problems: GpuProblem[]): NvidiaCard[] {
  const dir = join(sys, 'class/drm')
  return list(dir).filter((name) => /^renderD\d+$/.test(name)).flatMap((name) => {
    const device = join(dir, name, 'device'), node = join(dev, 'dri', name), vendor = VENDORS[read(join(device, 'vendor')) ?? '']
    if (!vendor || vendor === 'nvidia' || !existsSync(node)) return []
    const pci = /^PCI_SLOT_NAME=(.+)$/m.exec(read(join(device, 'uevent')) ?? '')?.[1] ?? basename(name), bytes = read(join(device, 'mem_info_vram_total')), mode = read(join(device, 'current_compute_partition'))
    // AMD's other modes divide a card too, into devices that may share its memory: none of them is sold, and this one is not the whole card any more.
    if (mode !== null && mode !== '' && mode !== 'SPX') { problems.push({ says: `${modelOf(vendor, read(join(device, 'product_name')) || 'gpu')} (${pci.toLowerCase()}) is divided (${mode}), and its parts are not handed out`, hint: 'amd-smi set --gpu all --compute-partition SPX' }); return [] }
    return [{ vendor, pci: pci.toLowerCase(), model: modelOf(vendor, read(join(device, 'product_name')) || (read(join(device, 'device')) ?? 'gpu').replace(/^0x/, '')), memoryBytes: bytes !== null && /^\d+$/.test(bytes) ? Number(bytes) : null, node }]
  })
}
