// Container Device Interface: files in which a vendor's tool writes down what a container needs to use a device (nodes, libraries, hooks). Engines carry
// them out; here they are only read, to know which devices can be handed out and what must be seen inside afterwards.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { parseYaml } from './yaml.ts'

const Edits = z.object({
  deviceNodes: z.array(z.object({ path: z.string().startsWith('/'), hostPath: z.string().optional() })).default([]),
  mounts: z.array(z.object({ hostPath: z.string(), containerPath: z.string() })).default([]),
})
const Spec = z.object({
  cdiVersion: z.string(), kind: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.-]*\/[A-Za-z][A-Za-z0-9_-]*$/),
  devices: z.array(z.object({ name: z.union([z.string(), z.number()]).transform(String), containerEdits: Edits.prefault({}) })), containerEdits: Edits.prefault({}),
})
export type CdiNode = { /** In the container. */ readonly path: string; /** On this machine. */ readonly hostPath: string }
export type CdiDevice = {
  /** As engines are told: `nvidia.com/gpu=0`. */
  readonly name: string
  /** The device's own, and then those that all of its kind share. */
  readonly own: readonly CdiNode[]; readonly shared: readonly CdiNode[]
  readonly mounts: readonly string[]
}
export type CdiRead = { readonly devices: readonly CdiDevice[]; /** Files that say nothing we understand, and why. */ readonly problems: readonly string[] }

/** Later directories stand over earlier ones, as engines have it. */
export function readCdi(dirs: readonly string[]): CdiRead {
  const devices = new Map<string, CdiDevice>(), problems: string[] = []
  for (const dir of dirs) for (const name of existsSync(dir) ? readdirSync(dir).sort() : []) {
    if (!/\.(json|ya?ml)$/.test(name)) continue
    try {
      const text = readFileSync(join(dir, name), 'utf8')
      const spec = Spec.parse(name.endsWith('.json') ? JSON.parse(text) : parseYaml(text))
      for (const device of spec.devices) {
        const full = `${spec.kind}=${device.name}`
        devices.set(full, { name: full, own: nodes(device.containerEdits), shared: nodes(spec.containerEdits), mounts: [...device.containerEdits.mounts, ...spec.containerEdits.mounts].map((one) => one.containerPath) })
      }
    } catch (error) { problems.push(`${join(dir, name)} cannot be read: ${error instanceof z.ZodError ? (error.issues[0]?.message ?? 'not a CDI file') : (error as Error).message}`) }
  }
  return { devices: [...devices.values()], problems }
}
const nodes = ({ deviceNodes }: z.infer<typeof Edits>): CdiNode[] => deviceNodes.map(({ path, hostPath }) => ({ path, hostPath: hostPath ?? path }))
