// A part of a screen that is fetched when it is first shown. While the market is silent it cannot come; without this the whole screen would break over it.
// It is asked for again until it is there, and what is shown meanwhile stays.
import { lazy } from 'react'
import type { ComponentType } from 'react'

const AGAIN_MS = 1_000
/** Then it is no silence: most likely a newer version of the pages is served, and only a reload helps. */
const TRIES = 120

export const part = <P extends object>(load: () => Promise<ComponentType<P>>) => lazy(async () => {
  for (let tries = 1; ; tries++) {
    try { return { default: await load() } } catch (error) { if (tries === TRIES) throw error }
    await new Promise((resolve) => { setTimeout(resolve, AGAIN_MS) })
  }
})
