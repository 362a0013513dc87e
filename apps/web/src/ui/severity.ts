// Beside the other states, because the line about incidents is there with the first page, and they are not.
import type { Severity } from '@lumaris/protocol'
import type { Look } from './states.ts'

export const SEVERITY: Readonly<Record<Severity, Look>> = {
  minor: { word: 'Minor', colour: 'blue', sign: '○', says: 'Something is slower or worse than usual.' }, major: { word: 'Major', colour: 'orange', sign: '◐', says: 'Something does not work.' }, critical: { word: 'Critical', colour: 'red', sign: '●', says: 'The market does not work.' },
}
/** Mildest first. */
export const SEVERITIES: readonly Severity[] = ['minor', 'major', 'critical']
