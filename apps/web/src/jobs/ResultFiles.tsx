import { useEffect, useState } from 'react'
import { Button, Group, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { isWanted, wantedOf } from '@lumaris/protocol'
import type { Attempt, Job, ResultFile } from '@lumaris/protocol'
import { isLumarisError } from '@lumaris/sdk'
import type { Client } from '@lumaris/sdk'
import { resultsQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { plural, size, visible } from '../ui/format.ts'
import { Act, Command, Copy, Empty, Loaded, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'
import { agreedOn } from './attempt-words.ts'
import { saveAs, savePieces } from './save.ts'

/** What is shown in the page; larger files are for the download. */
const PREVIEW_MAX = 2 * 1024 * 1024, TEXT_SHOWN = 64 * 1024
/** Only as pictures: a browser runs nothing that lies in a picture. */
const PICTURES: Readonly<Record<string, string>> = { png: 'image/png', jpg: 'image/jpeg', jpeg: 'image/jpeg', gif: 'image/gif', webp: 'image/webp', svg: 'image/svg+xml', bmp: 'image/bmp' }
const endOf = (path: string): string => (/\.([a-z0-9]+)$/i.exec(path)?.[1] ?? '').toLowerCase()

export function ResultFiles({ job, attempts }: { job: Job; attempts: readonly Attempt[] }) {
  const client = useClient()
  const results = useQuery(resultsQuery(client, job.id))
  if (isLumarisError(results.error, 'results_not_ready')) return <Empty title="No results yet">Files come back when the first part has ended.</Empty>
  return (
    <Loaded query={results}>{({ tasks }) => {
      const all = tasks.flatMap((task) => task.files), files = all.length, wanted = wantedOf(job.spec), left = all.filter(({ path }) => !isWanted(path, wanted)).length
      if (files === 0) return <Empty title="No files">The job wrote no file that its request asks for (<code>{visible(job.spec.outputs.join(' '))}</code>).</Empty>
      return (
        <Stack>
          <Group justify="space-between" align="flex-start" gap="sm">
            <Text size="sm" flex="1 1 18rem">{plural(files, 'file')}, {size(all.reduce((sum, file) => sum + file.size, 0))}. Each is named by the SHA-256 of its bytes, and checked against it on the way here. They have no expiry date: this market deletes no results.</Text>
            <Act label="Download all as a zip" says={left === 0 ? undefined : `Without ${plural(left, 'file')} that the job did not ask for`} act={() => savePieces(client.resultsZip(job.id), `${job.id}.zip`, 'application/zip')} />
          </Group>
          {left > 0 && <Text size="sm">{plural(left, 'file')} that the job did not ask for {left === 1 ? 'is' : 'are'} not in the zip.</Text>}
          {tasks.filter((task) => task.files.length > 0).map((task) => (
            <section key={task.task} aria-label={`Part ${task.task + 1}`}>
              {job.tasks.total > 1 && <Text fw={600} size="sm" mb={4}>Part {task.task + 1}</Text>}
              <Agreed attempts={attempts.filter((one) => one.task === `${job.id}.${task.task}`)} />
              <Stack gap="xs">{task.files.map((file) => <File key={file.path} client={client} file={file} />)}</Stack>
            </section>))}
          <Command line={`npx lumaris results ${job.id}`} />
          <Command line={`npx lumaris results ${job.id} --zip ${job.id}.zip`} />
        </Stack>
      )
    }}</Loaded>
  )
}

function Agreed({ attempts }: { attempts: readonly Attempt[] }) {
  const found = agreedOn(attempts)
  return found && <Text size="sm" mb={4}>✓ Verified by {found.same} of {plural(found.compared, 'node')}{found.same < found.compared ? ': the others’ results did not hold' : ''}.</Text>
}
async function fetchWhole(client: Client, file: ResultFile): Promise<Blob> {
  const pieces: Uint8Array<ArrayBuffer>[] = []
  for await (const piece of client.readBlob(file.blob)) pieces.push(piece as Uint8Array<ArrayBuffer>)
  return new Blob(pieces)
}
function File({ client, file }: { client: Client; file: ResultFile }) {
  const [open, setOpen] = useState(false), { busy, error, run } = useWork()
  const name = file.path.split('/').at(-1) ?? 'file'
  return (
    <div className="panel file" data-row>
      <Group justify="space-between" gap="xs">
        <div className="file-name"><Text fw={600}>{visible(file.path)}</Text><Text size="sm" c="dimmed">{size(file.size)} · <code title={file.blob}>{file.blob.slice(0, 12)}…</code><Copy text={file.blob} what="SHA-256" /></Text></div>
        <Group gap="xs">
          <Button variant="default" size="xs" aria-expanded={open} disabled={file.size > PREVIEW_MAX} title={file.size > PREVIEW_MAX ? `Larger than ${size(PREVIEW_MAX)}: download it` : undefined} onClick={() => setOpen(!open)}>{open ? 'Hide' : 'Show'}<span className="for-readers"> {visible(file.path)}</span></Button>
          <Button variant="default" size="xs" loading={busy} onClick={() => void run(async () => saveAs(await fetchWhole(client, file), name))}>Download<span className="for-readers"> {visible(file.path)}</span></Button>
        </Group>
      </Group>
      {error !== null && <Refusal error={error} />}
      {open && <Preview client={client} file={file} />}
    </div>
  )
}
function Preview({ client, file }: { client: Client; file: ResultFile }) {
  const bytes = useQuery({ queryKey: ['blob', file.blob], staleTime: Number.POSITIVE_INFINITY, queryFn: () => fetchWhole(client, file) })
  return <Loaded query={bytes}>{(blob) => (PICTURES[endOf(file.path)] ? <Picture blob={blob} file={file} /> : <AsText blob={blob} file={file} />)}</Loaded>
}
function Picture({ blob, file }: { blob: Blob; file: ResultFile }) {
  const [url, setUrl] = useState<string | null>(null), [bad, setBad] = useState(false)
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([blob], { type: PICTURES[endOf(file.path)] ?? 'application/octet-stream' }))
    setUrl(made)
    return () => URL.revokeObjectURL(made)
  }, [blob, file])
  if (bad) return <Text size="sm" mt="xs">It has the name of a picture, but is none.</Text>
  return url && <img className="preview-image" src={url} alt={`Result ${visible(file.path)}`} onError={() => setBad(true)} />
}
function AsText({ blob, file }: { blob: Blob; file: ResultFile }) {
  const text = useQuery({ queryKey: ['blob', file.blob, 'text'], staleTime: Number.POSITIVE_INFINITY, queryFn: async () => {
    const shown = new Uint8Array(await blob.slice(0, TEXT_SHOWN).arrayBuffer())
    if (shown.includes(0)) return null
    const raw = new TextDecoder().decode(shown)
    if (endOf(file.path) === 'json' && blob.size <= TEXT_SHOWN) try { return JSON.stringify(JSON.parse(raw), null, 2) } catch { /* named like JSON and none: shown as it is */ }
    return raw
  } })
  if (text.data === null) return <Text size="sm" mt="xs">Not a text: download it to look at it.</Text>
  return <><pre className="preview" tabIndex={0} aria-label={`Content of ${visible(file.path)}`}>{text.data === undefined ? '' : visible(text.data)}</pre>{blob.size > TEXT_SHOWN && <Text size="sm" c="dimmed">Its first {size(TEXT_SHOWN)}.</Text>}</>
}
