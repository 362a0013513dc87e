// A file that the market fetches: when it is there, the job has its bytes, whatever becomes of the address.
import { useState } from 'react'
import { Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { InputFile, RelativePath } from '@lumaris/protocol'
import { useClient } from '../session/use-session.ts'
import { beside } from '../ui/field-errors.ts'
import { Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'

const lastPart = (address: string): string => { try { return decodeURIComponent(new URL(address).pathname.split('/').at(-1) ?? '') } catch { return '' } } // not an address yet
export function FromAddress({ taken, add }: { taken: readonly string[]; add: (file: InputFile) => void }) {
  const client = useClient(), { busy, error, run, forget } = useWork()
  const [open, setOpen] = useState(false), [address, setAddress] = useState(''), [name, setName] = useState(''), [hash, setHash] = useState('')
  const { at, isLeft } = beside(error, ['/url', '/sha256'], { url_not_allowed: '/url', url_not_fetched: '/url', blob_hash_mismatch: '/sha256' })
  const path = name.trim() || lastPart(address.trim()), isPath = RelativePath.safeParse(path).success, isHash = hash.trim() === '' || /^[0-9a-f]{64}$/i.test(hash.trim())
  const why = !/^https?:\/\/./i.test(address.trim()) ? 'Write its address, beginning with https://' : !isPath ? 'Give it a name' : taken.includes(path) ? `There is a file ${path} already: give it another name` : isHash ? null : 'A SHA-256 has 64 hexadecimal digits'
  const fetchIt = (): Promise<void> => run(async () => {
    const { blob, size } = await client.fetchUrl(address.trim(), hash.trim() === '' ? {} : { sha256: hash.trim().toLowerCase() })
    add(InputFile.parse({ path, blob, size }))
    setAddress(''); setName(''); setHash(''); setOpen(false)
    document.getElementById('from-address')?.focus()
  })
  return (
    <div>
      <Button id="from-address" mt="xs" size="xs" variant="default" aria-expanded={open} onClick={() => { setOpen(!open); forget() }}>From an address…</Button>
      {open && <Stack gap="xs" mt="xs" role="group" aria-label="A file from an address" onKeyDown={(event) => { if (event.key === 'Enter' && event.target instanceof HTMLInputElement) { event.preventDefault(); if (why === null) void fetchIt() } }}>
        <TextInput className="code" label="Address" description="http or https, on the public internet; at most 1 GiB" placeholder="https://data.example/big.csv" value={address} onChange={(event) => { setAddress(event.currentTarget.value); forget() }} data-autofocus spellCheck={false} autoCapitalize="none" error={at('/url')} />
        <Group grow preventGrowOverflow={false} align="flex-start">
          <TextInput label="Its name in the job" placeholder={lastPart(address.trim()) || undefined} value={name} onChange={(event) => setName(event.currentTarget.value)} miw={150} spellCheck={false} />
          <TextInput className="code" label="SHA-256" description="Empty: whatever is there" value={hash} onChange={(event) => setHash(event.currentTarget.value)} error={at('/sha256')} miw={150} spellCheck={false} />
        </Group>
        {isLeft && <Refusal error={error} />}
        <Group><Button size="xs" loading={busy} disabled={why !== null} title={why ?? undefined} onClick={() => void fetchIt()}>Fetch it</Button><Text size="sm" c="dimmed" role="status">{busy ? 'The market fetches it. This may take a minute.' : why ?? ''}</Text></Group>
      </Stack>}
    </div>
  )
}
