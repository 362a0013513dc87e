// The tree under a seal. A leaf is a tick's hash (hex); a parent is hash('n' + left + right); an odd one at the end of a level moves up
// unchanged. Leaves are hashed documents that begin with '{' and parents begin with 'n', so neither can pass for the other.
// `hash` maps text to SHA-256 in hex; it is an argument because this package has no crypto of any platform.

export type HashText = (text: string) => string
const parent = (hash: HashText, left: string, right: string): string => hash(`n${left}${right}`)

/** Root of the tree over these leaves, in their order. */
export function merkleRoot(hash: HashText, leaves: readonly string[]): string {
  if (leaves.length === 0) throw new RangeError('merkleRoot: a tree needs a leaf')
  let level = leaves
  while (level.length > 1) level = levelAbove(hash, level)
  return level[0] as string
}

function levelAbove(hash: HashText, level: readonly string[]): string[] {
  const above: string[] = []
  for (let i = 0; i < level.length; i += 2) {
    const right = level[i + 1]
    above.push(right === undefined ? (level[i] as string) : parent(hash, level[i] as string, right))
  }
  return above
}

/** Sibling hashes from this leaf to the root; levels where the leaf has no sibling add nothing. */
export function merklePath(hash: HashText, leaves: readonly string[], index: number): string[] {
  const path: string[] = []
  let level = leaves
  for (let at = index; level.length > 1; at = Math.floor(at / 2)) {
    const sibling = level[at % 2 === 0 ? at + 1 : at - 1]
    if (sibling !== undefined) path.push(sibling)
    level = levelAbove(hash, level)
  }
  return path
}

/** The root that this leaf and path lead to; compare it with the sealed one. Null when the path has the wrong length for its place. */
export function rootFromPath(hash: HashText, leaf: string, index: number, count: number, path: readonly string[]): string | null {
  if (index < 0 || index >= count) return null
  let node = leaf
  let used = 0
  for (let at = index, size = count; size > 1; at = Math.floor(at / 2), size = Math.ceil(size / 2)) {
    const alone = at % 2 === 0 && at + 1 >= size
    if (alone) continue
    const sibling = path[used++]
    if (sibling === undefined) return null
    node = at % 2 === 0 ? parent(hash, node, sibling) : parent(hash, sibling, node)
  }
  return used === path.length ? node : null
}
