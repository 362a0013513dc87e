// Files of a job: chosen or dropped here, fetched by the market, or left from an earlier job. Those that a reload has lost are named until they are here again.
import { useState } from 'react'
import { Button, Text } from '@mantine/core'
import { plural, size, visible } from '../ui/format.ts'
import { withFiles } from './draft.ts'
import type { Draft } from './draft.ts'
import { FromAddress } from './FromAddress.tsx'

export function Files({ draft, change, error }: { draft: Draft; change: (more: Partial<Draft>) => void; error: string | undefined }) {
  const [over, setOver] = useState(false), take = (chosen: Iterable<File> | null): void => change(withFiles(draft, [...(chosen ?? [])])), focus = (): void => document.getElementById('files')?.focus()
  const one = (key: string, name: string, bytes: number, leave: () => void) => <li key={key}><code>{visible(name)}</code>, {size(bytes)} <Button size="compact-xs" variant="default" onClick={() => { leave(); focus() }}>Leave out<span className="for-readers"> {visible(name)}</span></Button></li>
  return (
    <div className={over ? 'drop over' : 'drop'} onDragOver={(event) => { if (event.dataTransfer.types.includes('Files')) { event.preventDefault(); setOver(true) } }} onDragLeave={(event) => { if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false) }} onDrop={(event) => { if (event.dataTransfer.files.length === 0) return; event.preventDefault(); setOver(false); take(event.dataTransfer.files) }}>
      <label htmlFor="files"><Text size="sm" fw={600}>Files</Text></label>
      <Text size="xs" c="dimmed" mb={4}>Choose them, or drop them here. They lie beside the program, under their names. What the program writes there comes back.</Text>
      {/* Emptied each time: the same file may be chosen again, and what is there stands below. */}
      <input id="files" className="file-input" type="file" multiple onChange={(event) => { const { currentTarget } = event; take(currentTarget.files); currentTarget.value = '' }} />
      {draft.files.length + draft.kept.length > 0 && <ul className="details" aria-label={plural(draft.files.length + draft.kept.length, 'file')}>
        {draft.files.map((file) => one(file.name, file.name, file.size, () => change({ files: draft.files.filter((other) => other !== file) })))}
        {draft.kept.map((file) => one(file.path, file.path, file.size, () => change({ kept: draft.kept.filter((other) => other !== file) })))}
      </ul>}
      {draft.lost.length > 0 && <Text size="sm" mt={4} c="var(--mantine-color-error)">Choose again, a browser gives files only once: {draft.lost.map(visible).join(', ')}. <Button size="compact-xs" variant="default" onClick={() => { change({ lost: [] }); focus() }}>Go without</Button></Text>}
      <FromAddress taken={[...draft.kept.map(({ path }) => path as string), ...draft.files.map((file) => file.name)]} add={(file) => change({ kept: [...draft.kept, file], lost: draft.lost.filter((name) => name !== file.path) })} />
      {error !== undefined && <Text size="sm" c="var(--mantine-color-error)">{error}</Text>}
    </div>
  )
}
