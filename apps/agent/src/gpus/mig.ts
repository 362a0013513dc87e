// NVIDIA's partitions (MIG): instances of a card that the hardware keeps apart, with processors, cache and memory of their own. A card that is divided is not
// handed out whole; each of its instances is a device by itself. What is asked: the kernel's own files (which device files belong to an instance) and
// nvidia-smi (what it is called, how much memory it has, and how many slices the whole card has).
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const SMI_MS = 10_000
export type Instance = {
  /** `1g.18gb`, of so many thousandths of the card's processors. */
  readonly profile: string; readonly share: number; readonly memoryBytes: number | null
  /** Device files on this machine that no other instance has: for the instance, and for what computes in it. */
  readonly nodes: readonly [string, string]
}
export type Divided = { readonly instances: readonly Instance[]; readonly problems: readonly string[] }
type Smi = (args: readonly string[]) => Promise<string>
type Roots = { readonly proc: string; readonly dev: string }

/** Empty without the tool, and where it fails. */
export const smiOf = (nvidiaSmi: string): Smi => (args) => new Promise((resolve) => { execFile(nvidiaSmi, [...args], { timeout: SMI_MS, killSignal: 'SIGKILL', maxBuffer: 16 * 1024 * 1024 }, (error, out) => { resolve(error ? '' : out) }) })

/** Ids of cards that are in the mode; a driver too old to know the question has none. */
export async function dividedCards(smi: Smi): Promise<Set<string>> {
  return new Set((await smi(['--query-gpu=uuid,mig.mode.current', '--format=csv,noheader'])).split('\n').flatMap((line) => /^(\S+), *Enabled\s*$/.exec(line)?.slice(1, 2) ?? []))
}
/** By the kernel: it has instances, whatever the tool says. */
export const hasInstances = ({ proc }: Roots, minor: string): boolean => { const dir = migDir(proc, minor); return existsSync(dir) && readdirSync(dir).some((name) => /^gi\d+$/.test(name)) }

/** The instances of each divided card, by the card's id. */
export async function readInstances(roots: Roots, smi: Smi, cards: readonly { readonly uuid: string; readonly minor: string }[]): Promise<Map<string, Divided>> {
  const [list, xml, profiles] = await Promise.all([smi(['-L']), smi(['-q', '-x']), smi(['mig', '-lgip'])])
  const names = namesOf(list), found = devicesOf(xml), slices = slicesOf(profiles)
  return new Map(cards.map(({ uuid, minor }) => {
    const instances: Instance[] = [], problems: string[] = [], { index, profileOf } = names.get(uuid) ?? { index: '', profileOf: new Map<string, string>() }
    const mine = found.get(uuid) ?? [], all = slices.get(index)
    for (const { device, gi, ci, memoryBytes } of mine) {
      const profile = profileOf.get(device), wide = /^(?:(\d+)c\.)?(\d+)g\./.exec(profile ?? '')
      if (profile === undefined || !wide || all === undefined) { problems.push(`nvidia-smi does not say what instance ${gi} is`); continue }
      // Two that compute in one instance share its memory: what one takes, the other has not.
      if (wide[1] !== undefined || mine.some((other) => other.gi === gi && other.ci !== ci)) { problems.push(`${profile} shares the memory of its instance ${gi} with others`); continue }
      const nodes = [accessOf(roots, minor, `gi${gi}`), accessOf(roots, minor, `gi${gi}/ci${ci}`)] as const
      if (nodes[0] === null || nodes[1] === null) { problems.push(`instance ${gi} (${profile}) has no device files`); continue }
      instances.push({ profile, share: Math.max(1, Math.floor((Number(wide[2]) * 1000) / all)), memoryBytes, nodes: [nodes[0], nodes[1]] })
    }
    return [uuid, { instances, problems: mine.length > 0 ? problems : [hasInstances(roots, minor) ? 'nvidia-smi does not say what its instances are' : 'it is divided, and has no instance'] }]
  }))
}

const migDir = (proc: string, minor: string): string => join(proc, `driver/nvidia/capabilities/gpu${minor}/mig`)
/** The device file that the kernel asks for, when it is there. */
function accessOf({ proc, dev }: Roots, minor: string, part: string): string | null {
  let text: string
  try { text = readFileSync(join(migDir(proc, minor), part, 'access'), 'utf8') } catch { return null /* not there, or not for us */ }
  const number = /^DeviceFileMinor:\s*(\d+)\s*$/m.exec(text)?.[1], node = join(dev, 'nvidia-caps', `nvidia-cap${number}`)
  return number !== undefined && existsSync(node) ? node : null
}

/** `nvidia-smi -L`: a line for a card, with its number and id; below it a line for each instance, with its kind and number. */
function namesOf(list: string): Map<string, { readonly index: string; readonly profileOf: Map<string, string> }> {
  const cards = new Map<string, { readonly index: string; readonly profileOf: Map<string, string> }>()
  let current: Map<string, string> | null = null
  for (const line of list.split('\n')) {
    const card = /^GPU (\d+): .*\(UUID: (GPU-[\w-]+)\)/.exec(line), part = /^\s+MIG (\S+)\s+Device\s+(\d+):/.exec(line)
    if (card) { current = new Map(); cards.set(card[2] as string, { index: card[1] as string, profileOf: current }) } else if (part && current) current.set(part[2] as string, (part[1] as string).toLowerCase())
  }
  return cards
}
type Device = { readonly device: string; readonly gi: string; readonly ci: string; readonly memoryBytes: number | null }
/** `nvidia-smi -q -x`: which instance a device is, and its memory. Of a card's text only what stands between its own brackets is read. */
function devicesOf(xml: string): Map<string, Device[]> {
  return new Map([...xml.matchAll(/<gpu id="[^"]*">([\s\S]*?)<\/gpu>/g)].flatMap(([, card = '']) => {
    const uuid = inside(card.replace(/<mig_devices>[\s\S]*?<\/mig_devices>/, ''), 'uuid')
    if (uuid === null) return []
    return [[uuid, [...card.matchAll(/<mig_device>([\s\S]*?)<\/mig_device>/g)].flatMap(([, one = '']): Device[] => {
      const device = inside(one, 'index'), gi = inside(one, 'gpu_instance_id'), ci = inside(one, 'compute_instance_id'), mib = /^(\d+) MiB$/.exec(inside(inside(one, 'fb_memory_usage') ?? '', 'total') ?? '')?.[1]
      return device === null || gi === null || ci === null || !/^\d+$/.test(gi) || !/^\d+$/.test(ci) ? [] : [{ device, gi, ci, memoryBytes: mib === undefined ? null : Number(mib) * 1024 * 1024 }]
    })] as const]
  }))
}
const inside = (xml: string, tag: string): string | null => new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`).exec(xml)?.[1]?.trim() ?? null

/** `nvidia-smi mig -lgip`: the widest kind that a card can be divided into is all of it. */
function slicesOf(profiles: string): Map<string, number> {
  const most = new Map<string, number>()
  for (const [, index = '', slices = ''] of profiles.matchAll(/^\|\s*(\d+)\s+MIG (\d+)g\./gm)) most.set(index, Math.max(most.get(index) ?? 0, Number(slices)))
  return most
}
