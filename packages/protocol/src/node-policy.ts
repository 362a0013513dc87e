import { z } from 'zod'
import { DriverId, JobTag, Level } from './job-spec.ts'
import type { ImageRef } from './job-spec.ts'

// What a seller's node takes of what it could run. It only takes away: what the machine itself does not offer (a driver, a way out, GPUs) is not sold whatever
// stands here, and that is its owner's word on the machine.

// docker.io, docker.io/library, docker.io/library/python, or sha256:… A registry is named in full, as in images of jobs.
const ALLOWED_IMAGE = /^(?:sha256:[0-9a-f]{64}|(?=[^/]*[.:]|localhost(?:\/|$))[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?(?:\/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*)$/
export const AllowedImage = z.string().max(300).regex(ALLOWED_IMAGE, 'a registry (docker.io), a part of one (docker.io/library), a repository (docker.io/library/python), or a digest (sha256:…)')

export const NodePolicy = z.strictObject({
  /** Only behind these of its drivers. Absent: any that it offers. */
  drivers: z.array(DriverId).min(1).max(7).optional(),
  /** Only behind walls that are at least so strong. */
  minLevel: Level.optional(),
  /** Of jobs that bring an image: only from these registries or repositories, or these very images. Empty: none. Absent: any. */
  images: z.array(AllowedImage).max(100).optional(),
  /** Ranks of gangs, which open a private network to machines of strangers. */
  gangs: z.boolean().default(true),
  /** Work that names hosts it wants to connect to. */
  egress: z.boolean().default(true),
  /** Work that asks for its GPUs. */
  gpus: z.boolean().default(true),
  /** No work that its buyer has given one of these tags. Who gives none is not found by this. */
  refusedTags: z.array(JobTag).max(50).default([]),
}).meta({ id: 'NodePolicy' })
export type NodePolicy = z.infer<typeof NodePolicy>
export const OPEN_POLICY: NodePolicy = { gangs: true, egress: true, gpus: true, refusedTags: [] }

/** By whole parts of a path: docker.io/lib is not docker.io/library. A tag before the digest says nothing. */
export function isImageAllowed(image: ImageRef, allowed: readonly string[]): boolean {
  const [name = '', digest = ''] = image.split('@')
  // The port of a registry has a colon too: a tag stands behind the last slash.
  const slash = name.lastIndexOf('/'), colon = name.indexOf(':', slash), bare = colon < 0 ? name : name.slice(0, colon)
  return allowed.some((one) => (one.startsWith('sha256:') ? one === digest : bare === one || bare.startsWith(`${one}/`)))
}
