import type { NodeRow } from '../rows.ts'

/** Its owner lets it take work, and no operator holds it back. Whether it is there is another question. */
export const takesWork = ({ will, cordon }: Pick<NodeRow, 'will' | 'cordon'>): boolean => will === 'open' && cordon === undefined
