import { useState } from 'react'
import type { ReactNode, Ref } from 'react'
import { Text } from '@mantine/core'

/** Files that are chosen, or dropped. The field is emptied each time: the same file may be chosen again, and what was taken is told by `children`. */
export function DropFiles({ id, label, says, take, field, children, ...of }: { id: string; label: string; says: string; take: (files: FileList) => void; multiple?: boolean; accept?: string; field?: Ref<HTMLInputElement>; children?: ReactNode }) {
  const [over, setOver] = useState(false)
  return (
    <div className={over ? 'drop over' : 'drop'} onDragOver={(event) => { if (event.dataTransfer.types.includes('Files')) { event.preventDefault(); setOver(true) } }} onDragLeave={(event) => { if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false) }} onDrop={(event) => { if (event.dataTransfer.files.length === 0) return; event.preventDefault(); setOver(false); take(event.dataTransfer.files) }}>
      <label htmlFor={id}><Text size="sm" fw={600}>{label}</Text></label>
      <Text size="xs" c="dimmed" mb={4}>{says}</Text>
      <input id={id} ref={field} className="file-input" type="file" {...of} onChange={({ currentTarget }) => { if (currentTarget.files) take(currentTarget.files); currentTarget.value = '' }} />
      {children}
    </div>
  )
}
