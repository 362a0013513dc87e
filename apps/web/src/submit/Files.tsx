// Files of a job: chosen or dropped here, fetched by the market, or left from an earlier job. Those that a reload has lost are named until they are here again.
import { Button, Text } from '@mantine/core'
import { DropFiles } from '../ui/DropFiles.tsx'
import { plural, size, visible } from '../ui/format.ts'
import { withFiles } from './draft.ts'
import type { Draft } from './draft.ts'
import { FromAddress } from './FromAddress.tsx'

export function Files({ draft, change, error }: { draft: Draft; change: (more: Partial<Draft>) => void; error: string | undefined }) {
  const focus = (): void => document.getElementById('files')?.focus()
  const one = (key: string, name: string, bytes: number, leave: () => void) => <li key={key}><code>{visible(name)}</code>, {size(bytes)} <Button size="compact-xs" variant="default" onClick={() => { leave(); focus() }}>Leave out<span className="for-readers"> {visible(name)}</span></Button></li>
  return (
    <DropFiles id="files" label="Files" says="Choose them, or drop them here. They lie beside the program, under their names. What the program writes there comes back." multiple take={(files) => change(withFiles(draft, [...files]))}>
      {draft.files.length + draft.kept.length > 0 && <ul className="details" aria-label={plural(draft.files.length + draft.kept.length, 'file')}>
        {draft.files.map((file) => one(file.name, file.name, file.size, () => change({ files: draft.files.filter((other) => other !== file) })))}
        {draft.kept.map((file) => one(file.path, file.path, file.size, () => change({ kept: draft.kept.filter((other) => other !== file) })))}
      </ul>}
      {draft.lost.length > 0 && <Text size="sm" mt={4} c="var(--mantine-color-error)">Choose again, a browser gives files only once: {draft.lost.map(visible).join(', ')}. <Button size="compact-xs" variant="default" onClick={() => { change({ lost: [] }); focus() }}>Go without</Button></Text>}
      <FromAddress taken={[...draft.kept.map(({ path }) => path as string), ...draft.files.map((file) => file.name)]} add={(file) => change({ kept: [...draft.kept, file], lost: draft.lost.filter((name) => name !== file.path) })} />
      {error !== undefined && <Text size="sm" c="var(--mantine-color-error)">{error}</Text>}
    </DropFiles>
  )
}
