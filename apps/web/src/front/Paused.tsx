import { Alert } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { marketQuery } from '../queries.ts'
import { visible } from '../ui/format.ts'

/** What the operators of this market have paused, in their own words: before somebody has filled in a form for nothing. */
export function Paused({ what }: { what: 'newJobs' | 'signUps' }) {
  const says = useQuery(marketQuery).data?.paused?.[what]
  return says === undefined ? null : <Alert color="orange" role="status" title={what === 'newJobs' ? '‖ No new jobs are taken just now' : '‖ No new accounts just now'}>{visible(says)}</Alert>
}
