// Variables of the job. The value of a secret is typed blind, goes beside the job when it is submitted, and is kept nowhere else.
import { Button, Checkbox, Group, Stack, Text, TextInput } from '@mantine/core'
import { Password } from '../ui/fields.tsx'
import type { Variable } from './draft.ts'

export function Variables({ of, set, error }: { of: readonly Variable[]; set: (all: readonly Variable[]) => void; error: string | undefined }) {
  const change = (at: number, more: Partial<Variable>): void => set(of.map((one, i) => (i === at ? { ...one, ...more } : one)))
  const add = (): void => { set([...of, { name: '', value: '', secret: false }]); setTimeout(() => document.getElementById(`variable-${of.length}`)?.focus()) }
  return (
    <div role="group" aria-labelledby="variables-label">
      <Text size="sm" fw={600} id="variables-label">Variables</Text>
      <Text size="xs" c="dimmed" mb={4}>Of its environment. A secret is given to the job and shown to nobody again, you neither; whoever owns the node can read it.</Text>
      <Stack gap="xs">
        {of.map((one, i) => (
          <Group key={i} gap="xs" align="flex-end" wrap="wrap">
            <TextInput id={`variable-${i}`} className="code" label="Name" aria-label={`Name of variable ${i + 1}`} value={one.name} onChange={(event) => change(i, { name: event.currentTarget.value })} flex="1 1 8rem" miw={110} spellCheck={false} autoCapitalize="none" />
            {one.secret ? <Password className="code" label="Value" aria-label={`Value of variable ${i + 1}`} value={one.value} onChange={(event) => change(i, { value: event.currentTarget.value })} flex="2 1 10rem" miw={130} autoComplete="off" error={one.name.trim() !== '' && one.value === '' ? 'It is not kept: type it again' : undefined} shows={`Show the value of variable ${i + 1}`} />
              : <TextInput className="code" label="Value" aria-label={`Value of variable ${i + 1}`} value={one.value} onChange={(event) => change(i, { value: event.currentTarget.value })} flex="2 1 10rem" miw={130} spellCheck={false} />}
            <Checkbox label="Secret" aria-label={`Variable ${i + 1} is a secret`} checked={one.secret} onChange={(event) => change(i, { secret: event.currentTarget.checked })} mb={8} />
            <Button variant="default" size="sm" onClick={() => { set(of.filter((_one, at) => at !== i)); document.getElementById('add-variable')?.focus() }}>Leave out<span className="for-readers"> variable {i + 1}</span></Button>
          </Group>))}
        {error !== undefined && <Text size="sm" c="var(--mantine-color-error)">{error}</Text>}
        <div><Button id="add-variable" size="xs" variant="default" onClick={add}>Add a variable</Button></div>
      </Stack>
    </div>
  )
}
