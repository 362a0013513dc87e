// The parameters of a template of one's own, before the form of the job: what each must be, the template says; whether it is, the same function as on the market.
import { useState } from 'react'
import { Button, Group, NativeSelect, Stack, Text, TextInput } from '@mantine/core'
import { fillTemplate } from '@lumaris/protocol'
import type { JobSpec, Template } from '@lumaris/protocol'
import { visible } from '../ui/format.ts'
import { Panel } from '../ui/parts.tsx'
import { ButtonLink } from '../shell/links.tsx'

export function FillIn({ template, done }: { template: Template; done: (spec: JobSpec) => void }) {
  const [values, setValues] = useState<Readonly<Record<string, string>>>(() => Object.fromEntries(Object.entries(template.parameters).map(([name, one]) => [name, one.default ?? one.choices?.[0] ?? ''])))
  const [problem, setProblem] = useState<{ readonly problem: string; readonly parameter?: string } | null>(null), at = (name: string): string | undefined => (problem?.parameter === name ? visible(problem.problem) : undefined)
  const set = (name: string, value: string): void => { setValues((now) => ({ ...now, [name]: value })); setProblem(null) }
  return (
    <Panel title={`“${template.name}” asks for`} id="fill-in">
      <form onSubmit={(event) => { event.preventDefault(); const made = fillTemplate(template, values); if ('spec' in made) done(made.spec); else { setProblem(made); if (made.parameter !== undefined) document.getElementsByName(made.parameter)[0]?.focus() } }} noValidate><Stack maw={480}>
        {Object.entries(template.parameters).map(([name, one]) => (one.choices
          ? <NativeSelect key={name} name={name} error={at(name)} label={name} description={one.says && visible(one.says)} value={values[name] ?? ''} onChange={(event) => set(name, event.currentTarget.value)} data={[...one.choices]} />
          : <TextInput key={name} name={name} error={at(name)} label={name} description={[one.says && visible(one.says), { text: '', whole: 'a whole number', number: 'a number' }[one.type]].filter(Boolean).join('; ')} value={values[name] ?? ''} onChange={(event) => set(name, event.currentTarget.value)} />))}
        <div role="alert">{problem !== null && problem.parameter === undefined && <Text size="sm" c="var(--mantine-color-error)">{visible(problem.problem)}</Text>}</div>
        <Group><Button type="submit">Go on</Button><ButtonLink variant="default" to="/templates">Back</ButtonLink></Group>
      </Stack></form>
    </Panel>
  )
}
