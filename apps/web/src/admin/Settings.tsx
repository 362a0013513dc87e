// What operators may change while the market runs. What was typed is shown beside what is, and nothing is sent before a reason is given; who has looked at an
// older version changes nothing, and is shown what is there now.
import { useState } from 'react'
import { Alert, Button, Group, Modal, Stack, Text, TextInput, Textarea } from '@mantine/core'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { SETTINGS, SETTING_NAMES, formatCredits, readSetting, showSetting } from '@lumaris/protocol'
import type { ChangeSettings, SettingName, Settings } from '@lumaris/protocol'
import { isLumarisError } from '@lumaris/sdk'
import { settingsQuery, settingsVersionsQuery } from '../queries.ts'
import { useClient } from '../session/use-session.ts'
import { errorsBy, inWords } from '../ui/field-errors.ts'
import { plural, visible } from '../ui/format.ts'
import { Command, Empty, Listed, Loaded, Moment, Page, Panel, Refusal } from '../ui/parts.tsx'
import { useWork } from '../ui/use-work.ts'
import { TextLink } from '../shell/links.tsx'

export function SettingsScreen() {
  const settings = useQuery(settingsQuery(useClient()))
  return (
    <Page title="Settings" intro="What may be changed while the market runs. Everything else is decided when the server is started.">
      {/* What is typed belongs to the version it was typed for. */}
      <Loaded query={settings} lines={8}>{(now) => <Form key={now.version} settings={now} />}</Loaded>
      <Versions />
      <Command line="npx lumaris --as admin settings" />
    </Page>
  )
}

/** As it is typed: without the words around it. */
function typed(name: SettingName, value: string | number): string {
  const { kind } = SETTINGS[name]
  return kind === 'percent' ? String(Number(value) / 100) : kind === 'credits' ? formatCredits(BigInt(value)) : kind === 'version' && value === '0.0.0' ? 'any' : String(value)
}
const UNIT = { percent: '% of a bill', credits: 'credits', version: 'a version such as 1.2.0, or any', rate: 'a minute', pause: 'a sentence; empty: open' } as const

function Form({ settings }: { settings: Settings }) {
  const [texts, setTexts] = useState<Readonly<Partial<Record<SettingName, string>>>>({}), [asking, setAsking] = useState(false)
  const read = SETTING_NAMES.map((name) => ({ name, text: texts[name], ...(texts[name] === undefined ? {} : readSetting(name, texts[name])) }))
  const wrong = read.filter((one) => 'wrong' in one), changed = read.flatMap((one) => ('value' in one && one.value !== undefined && one.value !== settings.values[one.name] ? [{ name: one.name, value: one.value }] : []))
  const type = (name: SettingName, text: string | undefined): void => setTexts((now) => { const { [name]: _, ...rest } = now; return text === undefined ? rest : { ...rest, [name]: text } })
  return (
    <Panel id="values" title="Values"><form onSubmit={(event) => { event.preventDefault(); if (changed.length > 0 && wrong.length === 0) setAsking(true) }} noValidate><Stack gap="lg">
      <div className="field-grid">{SETTING_NAMES.map((name) => {
        const { title, says, kind } = SETTINGS[name], own = read.find((one) => one.name === name), isSet = settings.values[name] !== settings.defaults[name]
        return (
          <Stack key={name} gap={4} className={kind === 'pause' ? 'whole' : undefined}>
            <TextInput label={`${title} (${UNIT[kind]})`} description={says} value={texts[name] ?? typed(name, settings.values[name])} onChange={(event) => type(name, event.currentTarget.value)} error={own && 'wrong' in own ? inWords(own.wrong) : undefined} inputMode={kind === 'rate' || kind === 'percent' || kind === 'credits' ? 'decimal' : undefined} maw={kind === 'pause' ? undefined : 420} spellCheck={kind === 'pause'} />
            {isSet && <Group gap="xs"><Text size="sm" c="dimmed">If not set: {showSetting(name, settings.defaults[name])}</Text><Button size="compact-sm" variant="default" onClick={() => type(name, typed(name, settings.defaults[name]))}>Take that<span className="for-readers"> for {title}</span></Button></Group>}
          </Stack>)
      })}</div>
      <Group gap="sm"><Button type="submit" disabled={changed.length === 0 || wrong.length > 0} title={wrong.length > 0 ? 'Something typed is no value' : changed.length === 0 ? 'Nothing was changed' : undefined}>Review {changed.length > 0 ? plural(changed.length, 'change') : 'changes'}</Button>{Object.keys(texts).length > 0 && <Button variant="default" onClick={() => setTexts({})}>Leave all as it is</Button>}</Group>
    </Stack></form>
      <Modal opened={asking} onClose={() => setAsking(false)} title="Change the settings?" size="lg">{asking && <Review settings={settings} changed={changed} close={() => setAsking(false)} />}</Modal>
    </Panel>
  )
}

function Review({ settings, changed, close }: { settings: Settings; changed: readonly { name: SettingName; value: string | number }[]; close: () => void }) {
  const client = useClient(), queries = useQueryClient(), { busy, error, submit } = useWork(), [reason, setReason] = useState('')
  const fields = errorsBy(error), own = fields.get('/reason'), isOld = isLumarisError(error, 'settings_changed')
  const save = async (): Promise<void> => {
    // What is there again where nobody has set it is not kept as set.
    const set = Object.fromEntries(changed.map(({ name, value }) => [name, value === settings.defaults[name] ? null : value])) as ChangeSettings['set']
    queries.setQueryData(['admin', 'settings'], await client.api.changeSettings({ body: { version: settings.version, set, reason: reason.trim() } }))
    void queries.invalidateQueries({ queryKey: ['admin'] })
    close()
  }
  return (
    <form onSubmit={(event) => submit(event, save)} noValidate><Stack>
      <div className="scroll-box" tabIndex={0} role="region" aria-label="Changes"><table className="table">
        <thead><tr><th>Setting</th><th>Now → from now on</th></tr></thead>
        <tbody>{changed.map(({ name, value }) => <tr key={name}><td>{SETTINGS[name].title}</td><td className="wide-cell"><del>{visible(showSetting(name, settings.values[name]))}</del> → <ins>{visible(showSetting(name, value))}</ins></td></tr>)}</tbody>
      </table></div>
      {changed.some(({ name, value }) => SETTINGS[name].kind === 'pause' && value !== '') && <Alert color="orange">Everybody reads the sentence, on the front page too.</Alert>}
      <Textarea label="Reason" description="It stands in the log of admin actions, with your name" autosize minRows={2} data-autofocus value={reason} onChange={(event) => setReason(event.currentTarget.value)} error={own} />
      {error !== null && !own && <Refusal error={error} />}
      <Group justify="flex-end"><Button variant="default" onClick={close}>Leave it</Button>{isOld ? <Button onClick={() => void queries.invalidateQueries({ queryKey: ['admin', 'settings'] })}>See what is there now</Button> : <Button type="submit" loading={busy}>Change {plural(changed.length, 'setting')}</Button>}</Group>
    </Stack></form>
  )
}

function Versions() {
  const found = useInfiniteQuery(settingsVersionsQuery(useClient()))
  return (
    <Panel title="What was changed" id="versions"><Listed query={found} none={<Empty title="Nobody has changed anything yet" />}>{(list) => <>
          <div className="scroll-box" tabIndex={0} role="region" aria-label="What was changed"><table className="table">
            <thead><tr><th>When</th><th>Who</th><th>What</th><th>Why</th></tr></thead>
            <tbody>{list.map((one) => <tr key={one.version}><td><Moment at={one.at} /></td><td><TextLink to="/users/$user" params={{ user: one.by }} size="sm">{visible(one.byName) || one.by}</TextLink></td>
              <td className="wide-cell">{Object.entries(one.changed).map(([name, { before, after }]) => <div key={name}>{isSetting(name) ? <>{SETTINGS[name].title}: {visible(showSetting(name, before))} → {visible(showSetting(name, after))}</> : visible(name)}</div>)}</td><td className="wide-cell">{visible(one.reason)}</td></tr>)}</tbody>
          </table></div>
        </>}</Listed></Panel>
  )
}
const isSetting = (name: string): name is SettingName => (SETTING_NAMES as readonly string[]).includes(name)
