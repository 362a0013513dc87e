// The owner's screen. One stream brings the state once a second; everything shown comes from it, and what cannot be known is not shown. Texts of
// strangers (the name of a program) become text and never markup.
import type { OwnerJob, OwnerProblem, OwnerSettings, OwnerStatus, Sample, SelfTestLine } from '@lumaris/protocol'
import { createPlot } from './plot.js'
import type { Plot } from './plot.js'
import { createWeek } from './week.js'
import { always, copyOf, settingsText } from './week-hours.js'
import { credits, duration, moment, percent, size } from './words.js'

const get = <E extends Element = HTMLElement>(id: string): E => document.getElementById(id) as unknown as E
const text = (id: string, words: string): void => { const element = get(id); if (element.textContent !== words) element.textContent = words }
const input = (id: string): HTMLInputElement => get<HTMLInputElement>(id)
function make(tag: string, words: string, name = ''): HTMLElement {
  const made = document.createElement(tag)
  made.textContent = words
  if (name) made.className = name
  return made
}

async function call<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
  const reply = await fetch(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }) })
  const answer = await reply.json() as Answer & { error?: string }
  if (!reply.ok) throw Object.assign(new Error(answer.error ?? `The agent answered ${reply.status}.`), { status: reply.status })
  return answer
}

// Light and dark: as the system has it, until somebody chooses.
const dark = matchMedia('(prefers-color-scheme: dark)')
let plot: Plot | null = null
function colour(): void {
  let chosen: string | null = null
  try { chosen = localStorage.getItem('theme') } catch { /* a browser that keeps nothing */ }
  document.documentElement.dataset['theme'] = chosen ?? (dark.matches ? 'dark' : 'light')
  plot?.recolour()
}
colour()
dark.addEventListener('change', colour)
get('theme').addEventListener('click', () => {
  try { localStorage.setItem('theme', document.documentElement.dataset['theme'] === 'dark' ? 'light' : 'dark') } catch { /* then it stays as the system has it */ }
  colour()
})

let status: OwnerStatus | null = null
const MARKS = { earning: '↑', idle: '…', paused: 'Ⅱ', problem: '!' } as const
const WORDS = { earning: 'Earning', idle: 'Idle', paused: 'Paused', problem: 'Problem' } as const
const TAGS: Record<OwnerJob['state'], string> = { starting: 'starting', running: 'running', frozen: 'stands still, unpaid', ending: 'ending' }

function show(now: OwnerStatus): void {
  const before = status
  status = now
  text('name', now.name)
  text('market', now.market)
  const link = get('link')
  link.hidden = false
  link.className = now.connected ? 'chip' : 'chip off'
  text('link', now.connected ? '● Connected' : '○ Not connected')
  document.title = `${WORDS[now.word]} · ${now.name} · Lumaris`
  get('hero').className = `card hero ${now.word}`
  text('mark', MARKS[now.word])
  text('word', now.stopped ? 'Stopped' : WORDS[now.word])
  text('says', now.says)
  text('next', nextOf(now))
  if (before === null || before.word !== now.word || before.says !== now.says) speak(`${WORDS[now.word]}. ${now.says}`)
  const owners = now.stopped || now.reasons.includes('paused')
  get('pausing').hidden = now.stopped
  get('resuming').hidden = !owners
  get('pause').hidden = owners && now.wish.pause?.until === null
  get('pause').className = owners ? '' : 'main'
  text('pause', owners ? 'Without end' : 'Pause now')
  text('consequence', consequenceOf(now))

  text('cpu', percent(now.cpuPercent))
  get('gauge').ariaLabel = `Processor ${percent(now.cpuPercent)}, of that jobs ${percent(now.jobsCpuPercent)}, limit for jobs ${percent(now.cpuLimitPercent)}`
  get('arc').style.strokeDasharray = `${now.cpuPercent} 200`
  get('arc-jobs').style.strokeDasharray = `${Math.min(now.cpuPercent, now.jobsCpuPercent)} 200`
  get('limit').style.transform = `rotate(${now.cpuLimitPercent * 1.8}deg)`
  get('limit').style.transformOrigin = '60px 62px'
  text('cpu-more', [`jobs ${percent(now.jobsCpuPercent)}, limit ${percent(now.cpuLimitPercent)}`, now.celsius === null ? '' : `${Math.round(now.celsius)}\u00a0°C`, now.batteryPercent === null ? '' : `battery ${now.batteryPercent} %`].filter(Boolean).join(' · '))
  const used = now.memoryUsedBytes / now.memoryBytes
  text('memory', size(now.memoryUsedBytes))
  get('memory-used').style.width = `${used * 100}%`
  get('memory-bar').ariaLabel = `Memory ${percent(used * 100)}`
  text('memory-more', `of ${size(now.memoryBytes)} · ${size(now.offered.memoryBytes)} for rent`)
  if (now.earnings) {
    const stale = now.at - now.earnings.at > 150_000
    // Of another day, today's figure is not today's.
    const sameDay = new Date(now.earnings.at).toDateString() === new Date(now.at).toDateString()
    figure('today', sameDay ? credits(now.earnings.recent) : '–', sameDay ? 'credits' : '')
    text('total', credits(now.earnings.total))
    text('pending', credits(now.earnings.pending))
    text('earned-at', stale ? `last known ${moment(now.earnings.at, now.at)}` : 'after the market’s fee')
  } else { figure('today', '–', ''); text('total', '–'); text('pending', '–'); text('earned-at', 'not known yet') }
  text('node', now.node)
  text('node-more', `${now.offered.cpuMillis / 1000} of ${now.full.cpuMillis / 1000} cores for rent · ${now.drivers.map((driver) => driver.id).join(', ') || 'no isolation'}`)
  text('about', `Lumaris agent ${now.version} · process ${now.pid} · this screen is served on this computer only`)
  plot?.limit(now.cpuLimitPercent)
  showJobs(now.jobs)
  showProblems(now.problems)
  text('s-where', whereOf(now))
  showStart(now)
  get('s-leave').hidden = now.local.length === 0 || !now.settings.fromMarket
  if (before === null || (JSON.stringify(before.settings) !== JSON.stringify(now.settings) && !dirty)) fill(now.settings)
}
function figure(id: string, words: string, unit: string): void {
  if (get(id).textContent === `${words}${unit && ` ${unit}`}`) return
  get(id).replaceChildren(words, ...(unit ? [' ', make('small', unit)] : []))
}
function nextOf(now: OwnerStatus): string {
  if (now.word !== 'paused') return ''
  if (now.nextAt !== null) return now.reasons[0] === 'in_use' ? `Work goes on at ${moment(now.nextAt, now.at)}, if nobody touches it until then.` : `Work goes on: ${moment(now.nextAt, now.at)}.`
  return now.stopped || now.reasons.includes('paused') ? 'Until you say so.' : 'It goes on by itself when that is over.'
}

/** Before it is pressed: what a pause does. While it lasts: what becomes of what stands still. */
function consequenceOf(now: OwnerStatus): string {
  if (now.stopped) return 'Every job was handed back; none is taken.'
  const still = now.jobs.length, minutes = now.settings.freezeMs / 60_000
  if (now.word === 'paused') return still === 0 || now.handBackAt === null ? 'No job is taken meanwhile.' : `${still === 1 ? 'The job stands' : 'The jobs stand'} still, unpaid, and ${still === 1 ? 'is' : 'are'} handed back at ${moment(now.handBackAt, now.at)}. No new one is taken.`
  return `Running jobs stand still within a second and are handed back ${minutes > 0 ? `after ${minutes} min` : 'at once'}. Time that they stand still is not paid; a job that is handed back is not paid at all.`
}

// Said aloud, at most once in five seconds.
let spokenAt = -Infinity
function speak(words: string): void {
  if (performance.now() - spokenAt < 5_000) return
  spokenAt = performance.now()
  text('said', words)
}

let jobsShown = ''
function showJobs(jobs: readonly OwnerJob[]): void {
  const key = JSON.stringify(jobs)
  if (key === jobsShown) return
  jobsShown = key
  const root = get('jobs')
  if (jobs.length === 0) { root.replaceChildren(make('p', 'No job runs here just now. The market sends one when it fits this node and its price.', 'empty')); return }
  const table = document.createElement('table')
  table.className = 'jobs'
  const titles = ['Program', 'State', 'Ran', 'Processor', 'Memory', 'Earning, credits']
  const head = table.createTHead().insertRow()
  titles.forEach((title, i) => { const cell = make('th', title, i > 1 ? 'n' : '') as HTMLTableCellElement; cell.scope = 'col'; head.append(cell) })
  const body = table.createTBody()
  for (const job of jobs) {
    const row = body.insertRow()
    const cells = [job.program, TAGS[job.state], duration(job.runMs), `${job.cpuPercent} % of ${job.cpuMillis / 1000} ${job.cpuMillis === 1000 ? 'core' : 'cores'}`, size(job.memoryBytes), credits(job.earning)]
    cells.forEach((words, i) => {
      const cell = row.insertCell()
      cell.dataset['title'] = titles[i] ?? ''
      if (i > 1) cell.className = 'n'
      if (i === 0) cell.append(make('strong', words), make('small', `${job.driver} · ${job.job}`))
      else if (i === 1) cell.append(make('span', words, `tag ${job.state}`))
      else cell.textContent = words
    })
  }
  root.replaceChildren(table)
}

let problemsShown = ''
const ACTIONS: Record<NonNullable<OwnerProblem['action']>, readonly [string, () => Promise<unknown>]> = {
  reconnect: ['Try again now', () => call('POST', '/api/reconnect', {})], self_test: ['Run self-test', () => test()], resume: ['Let work run again', () => call('POST', '/api/resume', {})],
  mend: ['Set the file aside, and begin with what is usual', () => call('POST', '/api/settings/mend', {})],
}
function showProblems(problems: readonly OwnerProblem[]): void {
  const key = JSON.stringify(problems)
  if (key === problemsShown) return
  problemsShown = key
  const root = get('problems')
  root.hidden = problems.length === 0
  root.replaceChildren(...problems.map((problem) => {
    const box = make('div', '', 'trouble'), words = make('div', '')
    words.append(make('strong', problem.says), make('span', problem.fix))
    box.append(words)
    if (problem.command !== undefined) { const { command } = problem, press = make('button', 'Copy the command') as HTMLButtonElement; press.type = 'button'; press.addEventListener('click', () => void navigator.clipboard.writeText(command).then(() => { press.textContent = 'Copied' }, tell)); words.append(make('code', command)); box.append(press) }
    if (problem.action) { const [label, act] = ACTIONS[problem.action]; const press = make('button', label) as HTMLButtonElement; press.type = 'button'; press.addEventListener('click', () => void act().catch(tell)); box.append(press) }
    return box
  }))
}

// What happens to the stream is told: a frozen page must not look alive.
let heardAt = 0
function stale(words: string): void { get('stale').hidden = words === ''; text('stale', words) }
const tell = (error: unknown): void => { stale((error as Error).message) }
function live(): void {
  const source = new EventSource('/api/live')
  source.addEventListener('history', (event) => plot?.replace(JSON.parse(event.data as string) as Sample[]))
  source.addEventListener('sample', (event) => plot?.add([JSON.parse(event.data as string) as Sample]))
  source.addEventListener('status', (event) => { heardAt = performance.now(); stale(''); show(JSON.parse(event.data as string) as OwnerStatus) })
  source.addEventListener('error', () => { if (source.readyState === EventSource.CLOSED) { source.close(); setTimeout(() => void begin(), 2_000) } })
  const watch = setInterval(() => {
    const silent = performance.now() - heardAt
    if (silent > 4_000) stale(`No word from the agent; last update ${duration(silent)} ago. If it was started again, open this screen by: lumaris agent gui`)
    if (source.readyState === EventSource.CLOSED) clearInterval(watch)
  }, 1_000)
}

// Pause, resume, stop.
for (const press of document.querySelectorAll<HTMLButtonElement>('[data-pause]')) press.addEventListener('click', () => void call('POST', '/api/pause', JSON.parse(press.dataset['pause'] ?? '{}')).catch(tell))
get('resume').addEventListener('click', () => void call('POST', '/api/resume', {}).catch(tell))
const sure = get<HTMLDialogElement>('sure')
get('stop').addEventListener('click', () => {
  const running = status?.jobs.length ?? 0
  text('sure-says', `${running === 0 ? 'No job runs just now.' : `${running} ${running === 1 ? 'job is' : 'jobs are'} ended at once, handed back, and not paid.`} This computer takes no work until you let it, also after a restart.`)
  sure.returnValue = ''
  sure.showModal()
})
sure.addEventListener('close', () => { if (sure.returnValue === 'stop') void call('POST', '/api/stop-all', {}).catch(tell) })
get('copy').addEventListener('click', () => void navigator.clipboard.writeText(status?.node ?? '').then(() => { text('copy', 'Copied'); setTimeout(() => text('copy', 'Copy'), 2_000) }, tell))

// Settings: what is changed here is not overwritten from below until it is saved or undone.
let dirty = false
const week = createWeek(get('week'), () => touch())
function fill({ share, hours, pauseWhen, freezeMs, fromMarket }: OwnerSettings): void {
  input('s-cpu').value = String(share.cpuPercent)
  input('s-memory').value = String(share.memoryPercent)
  input('s-inuse').checked = pauseWhen.inUse
  input('s-terminals').checked = pauseWhen.terminals
  input('s-idle').value = String(Math.max(1, Math.round(pauseWhen.idleMs / 60_000)))
  input('s-battery').checked = pauseWhen.onBattery
  input('s-load').checked = pauseWhen.otherCpuPercent !== null
  input('s-load-percent').value = String(pauseWhen.otherCpuPercent ?? 25)
  input('s-hot').checked = pauseWhen.hotterThanCelsius !== null
  input('s-hot-celsius').value = String(pauseWhen.hotterThanCelsius ?? 90)
  input('s-freeze').value = String(freezeMs / 60_000)
  input('s-hours').checked = hours !== null
  text('zone', hours?.timeZone ?? status?.timeZone ?? '')
  week.set(hours?.week ?? always())
  input('s-disk').value = String(share.diskPercent)
  input('s-cores').value = share.cores === null ? '' : String(share.cores)
  input('s-market').checked = fromMarket
  input('s-up').value = share.upKiBs === null ? '' : String(share.upKiBs)
  input('s-down').value = share.downKiBs === null ? '' : String(share.downKiBs)
  input('s-metered').checked = pauseWhen.metered
  dirty = false
  preview()
}
function read(): OwnerSettings {
  const before = status?.settings as OwnerSettings
  const idle = Number(input('s-idle').value) * 60_000
  return {
    share: { cpuPercent: Number(input('s-cpu').value), memoryPercent: Number(input('s-memory').value), diskPercent: Number(input('s-disk').value), cores: input('s-cores').value === '' ? null : Number(input('s-cores').value), upKiBs: input('s-up').value === '' ? null : Number(input('s-up').value), downKiBs: input('s-down').value === '' ? null : Number(input('s-down').value) },
    hours: input('s-hours').checked ? { timeZone: before.hours?.timeZone ?? status?.timeZone ?? 'UTC', week: copyOf(week.get()) } : null,
    pauseWhen: {
      ...before.pauseWhen, inUse: input('s-inuse').checked, terminals: input('s-terminals').checked, onBattery: input('s-battery').checked, metered: input('s-metered').checked,
      // Seconds that were written by hand stay, while nobody touches the minutes.
      idleMs: Math.max(1, Math.round(before.pauseWhen.idleMs / 60_000)) * 60_000 === idle ? before.pauseWhen.idleMs : idle,
      otherCpuPercent: input('s-load').checked ? Number(input('s-load-percent').value) : null, hotterThanCelsius: input('s-hot').checked ? Number(input('s-hot-celsius').value) : null,
    },
    freezeMs: Math.round(Number(input('s-freeze').value) * 60_000),
    fromMarket: input('s-market').checked, logLevel: before.logLevel,
  }
}
function preview(): void {
  text('o-cpu', `${input('s-cpu').value} %`)
  text('o-memory', `${input('s-memory').value} %`)
  text('o-disk', `${input('s-disk').value} %`)
  input('s-load-percent').disabled = !input('s-load').checked
  input('s-hot-celsius').disabled = !input('s-hot').checked
  input('s-idle').disabled = !input('s-inuse').checked && !input('s-terminals').checked
  get('week').hidden = !input('s-hours').checked
  if (status) {
    const { full } = status, { share, hours } = read(), memory = full.memoryBytes * share.memoryPercent / 100
    text('preview', `${settingsText(hours?.week ?? null, share, full.cpuMillis)} and ${size(memory)} of memory. A smaller share holds for the next job; all else takes effect at once.`)
  }
  get<HTMLButtonElement>('save').disabled = !dirty
  get('undo').hidden = !dirty
}
function touch(): void { dirty = true; text('saved', ''); preview() }
get('settings').addEventListener('input', touch)
/** Who has set what: this machine, or its seller over the market. */
const FIELD_NAMES: Readonly<Record<string, string>> = {
  'share.upKiBs': 'upload', 'share.downKiBs': 'download', 'pauseWhen.metered': 'metered network', 'share.cpuPercent': 'processor', 'share.cores': 'cores', 'share.memoryPercent': 'memory', 'share.diskPercent': 'disk', hours: 'hours', 'pauseWhen.inUse': 'use of the computer', 'pauseWhen.terminals': 'terminals', 'pauseWhen.idleMs': 'minutes without use',
  'pauseWhen.onBattery': 'battery', 'pauseWhen.batteryBelowPercent': 'charge', 'pauseWhen.otherCpuPercent': 'other programs', 'pauseWhen.hotterThanCelsius': 'heat', freezeMs: 'handing back',
}
function whereOf({ local, asked, settings }: OwnerStatus): string {
  const here = local.length === 0 ? 'Nothing is set on this computer' : `Set on this computer: ${local.map((path) => FIELD_NAMES[path] ?? path).join(', ')}`
  const rest = !settings.fromMarket ? 'Nothing is taken from the website.' : asked === null ? 'The rest is as usual; you can also set it on the website.' : asked.refused === undefined ? 'The rest is as you set it on the website.' : `What was last set on the website is not taken (${asked.refused}).`
  return `${here}. ${rest}`
}
get('s-leave').addEventListener('click', () => {
  call<{ settings: OwnerSettings }>('POST', '/api/settings/leave', {}).then(({ settings }) => { if (status) status = { ...status, settings }; fill(settings); text('saved', 'Left to the website') }, (error: unknown) => { text('saved', (error as Error).message) })
})
get('undo').addEventListener('click', () => { if (status) fill(status.settings) })
get('settings').addEventListener('submit', (event) => {
  event.preventDefault()
  call<{ settings: OwnerSettings }>('PUT', '/api/settings', read()).then(({ settings }) => { if (status) status = { ...status, settings }; fill(settings); text('saved', 'Saved') }, (error: unknown) => { text('saved', (error as Error).message) })
})

// Start, version and log: each holds at once, and none waits for the form above.
function showStart({ version, agents, service, settings }: OwnerStatus): void {
  const older = agents?.older === true
  text('version', agents === null ? `Version ${version}.` : older ? `Version ${version}; the market is of ${agents.version}. Update it in its checkout; its node, key and work are kept:` : `Version ${version}; the market is of ${agents.version}.`)
  get('update').hidden = !older
  get('starting').hidden = service === null
  if (service) {
    if (!switching) { input('service').checked = service.state === 'enabled'; text('service-says', service.says) }
    input('service').disabled = switching || service.state === 'none'
    get('unit').hidden = service.text === null
    text('unit-path', service.path ?? '')
    text('unit-text', service.text ?? '')
  }
  const level = get<HTMLSelectElement>('log-level')
  if (document.activeElement !== level) level.value = settings.logLevel ?? ''
}
let switching = false
input('service').addEventListener('change', () => {
  switching = true
  input('service').disabled = true
  call('POST', '/api/service', { on: input('service').checked }).then(() => { switching = false; if (status) showStart(status) }, (error: unknown) => { switching = false; if (status) showStart(status); text('service-says', (error as Error).message) })
})
get('log-level').addEventListener('change', () => {
  const value = get<HTMLSelectElement>('log-level').value as 'debug' | 'info' | 'warn' | 'error' | ''
  if (status) call('PUT', '/api/settings', { ...status.settings, logLevel: value === '' ? null : value }).catch(tell)
})

// Check and help.
async function test(): Promise<void> {
  const press = get<HTMLButtonElement>('test'), root = get('test-lines')
  press.disabled = true
  text('test', 'Testing…')
  root.replaceChildren()
  try {
    const { lines } = await call<{ lines: SelfTestLine[] }>('POST', '/api/self-test', {})
    root.replaceChildren(...lines.map((line) => make('p', `${line.check}: ${line.says}`, line.ok ? 'ok' : 'no')))
  } catch (error) { root.replaceChildren(make('p', (error as Error).message, 'no')) }
  press.disabled = false
  text('test', 'Run self-test')
}
get('test').addEventListener('click', () => void test())
const log = get<HTMLDetailsElement>('log')
async function showLog(): Promise<void> {
  const { lines } = await call<{ lines: { at: number; level: string; says: string; fields: string }[] }>('GET', '/api/log')
  get('lines').replaceChildren(...lines.toReversed().map((line) => {
    const item = make('li', '', line.level)
    item.append(make('time', new Date(line.at).toLocaleTimeString('en-GB')), ` ${line.says}${line.fields ? ` · ${line.fields}` : ''}`)
    return item
  }))
}
log.addEventListener('toggle', () => { if (log.open) void showLog().catch(tell) })
setInterval(() => { if (log.open) void showLog().catch(tell) }, 3_000)

get('as-table').addEventListener('click', () => {
  const press = get('as-table'), on = press.ariaPressed !== 'true'
  press.ariaPressed = String(on)
  plot?.table(on)
  get('legend').hidden = on
})
for (const press of document.querySelectorAll<HTMLElement>('[data-span]')) press.addEventListener('click', () => {
  for (const other of document.querySelectorAll<HTMLElement>('[data-span]')) other.ariaPressed = String(other === press)
  plot?.span(Number(press.dataset['span']))
  text('span-word', press.dataset['span'] === '300' ? '5 minutes' : 'hour')
})

/** In with a ticket, if there is one; then the state, or the way to get in. */
async function begin(): Promise<void> {
  const ticket = new URLSearchParams(location.hash.slice(1)).get('ticket')
  let why = ''
  if (ticket !== null) {
    history.replaceState(null, '', '/')
    await call('POST', '/api/session', { ticket }).catch((error: unknown) => { why = (error as Error).message })
  }
  let first: OwnerStatus
  try { first = await call<OwnerStatus>('GET', '/api/status') } catch (error) {
    const out = (error as { status?: number }).status === 401
    if (!out) { stale(status ? 'The agent does not answer; trying again.' : 'The agent does not answer.'); setTimeout(() => void begin(), 2_000); return }
    if (why) text('gate-says', `${why}. In a terminal on this computer:`.replace('..', '.'))
    stale('')
    get('gate').hidden = false
    get('all').hidden = true
    return
  }
  get('gate').hidden = true
  get('all').hidden = false
  plot ??= createPlot(get('plot'), get('plot-table'))
  show(first)
  heardAt = performance.now()
  live()
}
addEventListener('hashchange', () => { if (location.hash.startsWith('#ticket=')) location.reload() })
void begin()
