import { useQuery } from '@tanstack/react-query'
import { incidentsQuery } from '../queries.ts'
import { plural, visible } from '../ui/format.ts'
import { SEVERITIES, SEVERITY } from '../ui/severity.ts'
import { TextLink } from './links.tsx'

/** One line on every screen while something is wrong; the worst first. A market that does not answer says so elsewhere. */
export function IncidentBanner() {
  const open = useQuery(incidentsQuery('open')).data?.data ?? []
  const worst = open.toSorted((a, b) => SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity))[0]
  return (
    <div role="status">{worst && (
      <div className={`banner trouble ${worst.severity}`}>
        <span><span aria-hidden>{SEVERITY[worst.severity].sign}</span> <strong>{SEVERITY[worst.severity].word} incident:</strong> {visible(worst.title)}{open.length > 1 ? `, and ${plural(open.length - 1, 'other')}` : ''}</span>
        <TextLink to="/status" size="sm">What is known</TextLink>
      </div>)}</div>
  )
}
