// Forms that were begun in this browser: open one again, or throw it away.
import { useState } from 'react'
import { Button, Group, Text } from '@mantine/core'
import { Moment, Panel } from '../ui/parts.tsx'
import { visible } from '../ui/format.ts'
import { ButtonLink } from '../shell/links.tsx'
import { dropDraft, listDrafts } from './drafts.ts'
import type { Kept } from './drafts.ts'

const FIRST = 3
export const draftName = ({ name }: Pick<Kept, 'name'>): string => (name === '' ? 'Without a name' : visible(name))
export function Drafts({ user, open }: { user: string; open: string | undefined }) {
  const [all, setAll] = useState(() => listDrafts(localStorage, user)), [whole, setWhole] = useState(false), shown = all.filter(({ id }) => id !== open)
  if (shown.length === 0) return null
  return (
    <Panel title="Begun and not submitted" id="drafts">
      <ul className="plain-list" role="list">{shown.slice(0, whole ? shown.length : FIRST).map((one) => (
        <li key={one.id} data-row><Group gap="xs" py={4}>
          <Text size="sm" flex="1 1 10rem">{draftName(one)} <span className="small"><Moment at={one.savedAt} /></span></Text>
          <ButtonLink size="compact-sm" variant="default" to="/submit" search={{ draft: one.id }}>Open<span className="for-readers"> {draftName(one)}</span></ButtonLink>
          <Button size="compact-sm" variant="default" onClick={() => { dropDraft(localStorage, user, one.id); setAll(listDrafts(localStorage, user)) }}>Delete<span className="for-readers"> {draftName(one)}</span></Button>
        </Group></li>))}</ul>
      {!whole && shown.length > FIRST && <Button size="xs" variant="default" mt="xs" onClick={() => setWhole(true)}>Show {shown.length - FIRST} more</Button>}
      <Text size="sm" c="dimmed" mt={4}>Kept in this browser only, without values of secrets and without files.</Text>
    </Panel>
  )
}
