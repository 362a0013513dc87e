import type { ReactNode } from 'react'
import { Checkbox } from '@mantine/core'
import type { Job } from '@lumaris/protocol'
import { credits, creditsText, visible } from '../ui/format.ts'
import { Moment, Status } from '../ui/parts.tsx'
import { JOB } from '../ui/states.ts'
import { TextLink } from '../shell/links.tsx'

export const jobName = (job: Job): string => visible(job.spec.name ?? job.spec.command.join(' '))
export const progress = (job: Job): string => (job.tasks.total === 1 ? '' : `${job.tasks.done} of ${job.tasks.total}`)

/** Where several can be chosen: the first column. */
export type Choice = { readonly chosen: ReadonlySet<string>; readonly choose: (job: Job, on: boolean) => void }
/** Where its parts may run, as it asked. */
const regionsOf = ({ spec: { placement: { regions, residency } } }: Job): string => [...(regions ?? residency ?? [])].map(visible).join(', ')
export const canCancel = (job: Job): boolean => job.state === 'queued' || job.state === 'running'

export const JobHead = ({ all, buyers = false }: { all?: ReactNode; /** Of everybody's: whose it is. */ buyers?: boolean }) => <tr>{all !== undefined && <th className="w-choice">{all}</th>}<th>Job</th>{buyers && <th className="w-money hide-narrow">Buyer</th>}<th className="w-state">State</th><th className="right w-parts hide-narrow">Parts done</th><th className="w-parts hide-narrow">Region</th><th className="right w-money hide-narrow">Cost, credits</th><th className={all === undefined ? 'right w-time' : 'right w-time hide-narrow'}>Age</th></tr>
export const JobCells = ({ job, choice, buyers = false, under = false }: { job: Job; choice?: Choice; buyers?: boolean; /** On a phone: what has no column there. */ under?: boolean }) => (
  <>
    {choice && <td><Checkbox size="sm" aria-label={`Choose ${jobName(job)}`} checked={choice.chosen.has(job.id)} onChange={(event) => choice.choose(job, event.currentTarget.checked)} /></td>}
    <td><TextLink to="/jobs/$job" params={{ job: job.id }} title={jobName(job)}>{jobName(job)}</TextLink>{under && <span className="under quiet">{progress(job) && `${progress(job)} done · `}<span className="number">{creditsText(job.cost)}</span> · <Moment at={job.createdAt} />{regionsOf(job) && ` · ${regionsOf(job)}`}</span>}</td>
    {buyers && <td className="hide-narrow"><TextLink to="/users/$user" params={{ user: job.buyer }} size="sm" title={job.buyer}><code>…{job.buyer.slice(-8)}</code></TextLink></td>}
    <td><Status look={JOB[job.state]} /></td><td className="right number hide-narrow">{progress(job) || '1 part'}</td><td className="hide-narrow" title={regionsOf(job) || 'It asked for none'}>{regionsOf(job) || <span className="quiet">any</span>}</td><td className="right number hide-narrow">{credits(job.cost)}</td><td className={choice ? 'right hide-narrow' : 'right'}><Moment at={job.createdAt} /></td>
  </>
)
export const JobRows = ({ jobs }: { jobs: readonly Job[] }) => <div className="scroll-box" tabIndex={0} role="region" aria-label="Jobs"><table className="table"><thead><JobHead /></thead><tbody>{jobs.map((job) => <tr key={job.id}><JobCells job={job} /></tr>)}</tbody></table></div>
