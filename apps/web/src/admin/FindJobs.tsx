// Jobs of the whole market, looked for by what an operator has in hand: asked of the market, not of the page.
import { TextInput } from '@mantine/core'
import type { JobFilter } from '@lumaris/protocol'

const ID = /^[0-9a-hjkmnp-tv-z]{26}$/, DIGEST = /^(?:[^@\s]+@)?(sha256:[0-9a-f]{64})$/
type Found = Pick<JobFilter, 'id' | 'buyer' | 'node' | 'image'>
/** What a text asks for by how it is written; null: for nothing that there is. */
export function wantedJobs(text: string): Found | null {
  const asked = text.trim(), [kind, id = ''] = asked.split('_', 2), image = DIGEST.exec(asked)?.[1]
  if (image !== undefined) return { image }
  if (kind === 'job' && /^[0-9a-z]{0,26}$/.test(id)) return { id: asked }
  if (!ID.test(id)) return null
  return kind === 'usr' ? { buyer: asked as JobFilter['buyer'] } : kind === 'nod' ? { node: asked as JobFilter['node'] } : null
}

export function FindJobs({ text, look }: { text: string; look: (text: string | undefined) => void }) {
  const go = (value: string): void => { if (value.trim() !== text) look(value.trim() || undefined) }
  return <TextInput key={text} label="Of all jobs: of a user, a node or an image" placeholder="usr_…, nod_…, job_… or sha256:…" miw={300} defaultValue={text} spellCheck={false} error={text !== '' && wantedJobs(text) === null ? 'The whole id of a user or a node, the beginning of one of a job, or a digest' : undefined} onKeyDown={(event) => { if (event.key === 'Enter') go(event.currentTarget.value) }} onBlur={(event) => go(event.currentTarget.value)} />
}
/** On the command line. */
const OPTION: Readonly<Record<keyof Found, string>> = { id: 'id', buyer: 'of-buyer', node: 'on-node', image: 'of-image' }
export const wantedOptions = (wanted: Found | null): string => Object.entries(wanted ?? {}).map(([name, value]) => ` --${OPTION[name as keyof Found]} ${value}`).join('')
