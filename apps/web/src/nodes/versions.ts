/** Whether an agent of this version is older than one of that: 1.9.0 before 1.10.0. What is no version is not compared. */
export function isOlder(version: string, than: string): boolean {
  const [one, other] = [version, than].map((text) => /^(\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number))
  if (!one || !other) return false
  const at = one.findIndex((part, i) => part !== other[i])
  return at >= 0 && (one[at] ?? 0) < (other[at] ?? 0)
}
/** On that machine, in its checkout; then it is started again in the way it was. */
export const UPDATE_LINE = 'git pull --ff-only && npm ci && npx lumaris agent service restart'
