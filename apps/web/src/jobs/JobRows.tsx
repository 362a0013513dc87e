import type { Job } from '@lumaris/protocol'
import { credits, visible } from '../ui/format.ts'
import { Moment, Status } from '../ui/parts.tsx'
import { JOB } from '../ui/states.ts'
import { TextLink } from '../shell/links.tsx'

export const jobName = (job: Job): string => visible(job.spec.name ?? job.spec.command.join(' '))
export const progress = (job: Job): string => (job.tasks.total === 1 ? '' : `${job.tasks.done} of ${job.tasks.total}`)

export const JobHead = () => <tr><th>Job</th><th className="w-state">State</th><th className="right w-parts hide-narrow">Parts done</th><th className="right w-money hide-narrow">Cost, credits</th><th className="right w-time">Age</th></tr>
export const JobCells = ({ job }: { job: Job }) => (
  <>
    <td><TextLink to="/jobs/$job" params={{ job: job.id }} title={jobName(job)}>{jobName(job)}</TextLink></td>
    <td><Status look={JOB[job.state]} /></td><td className="right number hide-narrow">{progress(job) || '1 part'}</td><td className="right number hide-narrow">{credits(job.cost)}</td><td className="right"><Moment at={job.createdAt} /></td>
  </>
)
export const JobRows = ({ jobs }: { jobs: readonly Job[] }) => <div className="scroll-box" tabIndex={0} role="region" aria-label="Jobs"><table className="table"><thead><JobHead /></thead><tbody>{jobs.map((job) => <tr key={job.id}><JobCells job={job} /></tr>)}</tbody></table></div>
