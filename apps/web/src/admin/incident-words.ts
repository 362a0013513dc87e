// A few honest sentences to begin with, for who has to write while something burns: they promise nothing, and what is in brackets has to be filled in. What is sent is what was written.
import type { Severity } from '@lumaris/protocol'

export type Words = { readonly name: string; readonly title?: string; readonly text: string }
export const OPENING: Readonly<Record<Severity, readonly Words[]>> = {
  minor: [
    { name: 'It is slow', title: 'Jobs start later than usual', text: 'Jobs wait longer for a node than usual. What runs goes on. We are looking for the cause, and tell more here by [time].' },
    { name: 'Planned work', title: 'Planned work on [what]', text: 'From [time] to [time] we work on [what]. What runs goes on; [what] may be away for some minutes.' },
  ],
  major: [
    { name: 'Something does not work', title: '[What] does not work', text: '[What] has not worked since [time]. What runs goes on, and nothing more is billed for it than was agreed. We do not know the cause yet, and tell more here by [time].' },
    { name: 'A region is away', title: 'Nodes in [region] are away', text: 'Nodes in [region] have not been heard since [time]. What ran there starts again elsewhere, as far as its buyer allows; lost tries are not billed.' },
  ],
  critical: [
    { name: 'The market does not work', title: 'The market does not work', text: 'Since [time] no jobs can be submitted, and none start. What runs on nodes goes on there, and its results are kept until we are back. We work on it, and tell more here by [time].' },
    { name: 'Something is insecure', title: 'A flaw in [what]', text: 'We have learned of a flaw in [what]. Until it is mended nothing new starts. We do not know of anybody who was harmed. You need to do nothing now; if that changes, it stands here first.' },
  ],
}
export const FURTHER: readonly Words[] = [
  { name: 'Still looking', text: 'We are still looking for the cause. Nothing has changed for you since our last word. More by [time].' },
  { name: 'The cause is known', text: 'The cause is known: [cause]. We are mending it, and expect to be done by [time].' },
  { name: 'Mended, being watched', text: 'It is mended since [time]. We watch it until [time] before we call it over.' },
]
export const OVER: readonly Words[] = [
  { name: 'It is over', text: 'It is over since [time]. The cause was [cause]. Affected were [who or what].' },
  { name: 'Over, and what follows', text: 'It is over since [time]. The cause was [cause]. So that it does not come back we [what is done]. Bills of [what] are reversed by us.' },
]
/** What still has to be filled in; null: nothing. */
export const toFill = (text: string): string | null => /\[[^\]\n]{1,40}\]/.exec(text)?.[0] ?? null
