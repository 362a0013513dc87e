import { useEffect, useRef } from 'react'
import type { RefObject } from 'react'

/** On a phone the names of tabs do not all fit beside each other: the one that is open stands where it is seen, also when it came from the address. */
export function useTabInView(open: string): RefObject<HTMLDivElement | null> {
  const list = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const box = list.current, tab = box?.querySelector('[aria-selected="true"]')
    if (!box || !tab) return
    const [outer, inner] = [box.getBoundingClientRect(), tab.getBoundingClientRect()]
    if (inner.left < outer.left || inner.right > outer.right) box.scrollLeft += inner.left - outer.left - (outer.width - inner.width) / 2
  }, [open])
  return list
}
