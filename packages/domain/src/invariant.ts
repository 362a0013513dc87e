/** A bug, found: on in production too. The turn that hits it is dropped whole, and the state is loaded again. */
export class InvariantError extends Error {
  override name = 'InvariantError'
}
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message)
}
