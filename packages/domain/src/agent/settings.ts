// Which settings hold on a machine: what is usual, over it what its seller asked over the market, over that what stands in the machine's own file. Field by
// field, so that an owner who has set the hours here can still set the limits from elsewhere.
import { OwnerSettings } from '@lumaris/protocol'
import type { OwnerAsked, OwnerSettingsInput } from '@lumaris/protocol'

type Layer = OwnerSettingsInput | OwnerAsked

/** Every value that is set, by its path: `share.cpuPercent`, `hours`. */
export function valuesOf(layer: Layer): Map<string, unknown> {
  const found = new Map<string, unknown>()
  for (const [name, value] of Object.entries(layer)) {
    if (value === undefined) continue
    if (name === 'share' || name === 'pauseWhen') {
      for (const [field, one] of Object.entries(value as object)) if (one !== undefined) found.set(`${name}.${field}`, one)
    } else found.set(name, value)
  }
  return found
}
export function layerOf(values: ReadonlyMap<string, unknown>): OwnerSettingsInput {
  const made: Record<string, unknown> = {}
  for (const [path, value] of values) {
    const [name = '', field] = path.split('.')
    if (field === undefined) made[name] = value
    else made[name] = { ...(made[name] as object | undefined), [field]: value }
  }
  return made
}

/** `local` are the paths that the machine's own file sets. Each layer has been checked by itself. */
export function resolveSettings({ usual, asked, own }: { usual: OwnerSettingsInput; asked: OwnerAsked; own: OwnerSettingsInput }): { settings: OwnerSettings; local: string[] } {
  const local = valuesOf(own), fromMarket = own.fromMarket ?? usual.fromMarket ?? true
  return {
    settings: OwnerSettings.parse(layerOf(new Map([...valuesOf(usual), ...(fromMarket ? valuesOf(asked) : []), ...local]))),
    local: [...local.keys()].filter((path) => path !== 'fromMarket' && path !== 'logLevel'),
  }
}

/** What the machine's own file becomes when somebody there wants all settings to be these: only what differs from what held is theirs. */
export function ownSettings(own: OwnerSettingsInput, held: OwnerSettings, wanted: OwnerSettings): OwnerSettingsInput {
  const before = valuesOf(held), kept = valuesOf(own)
  for (const [path, value] of valuesOf(wanted)) if (JSON.stringify(value) !== JSON.stringify(before.get(path))) kept.set(path, value)
  return layerOf(kept)
}
