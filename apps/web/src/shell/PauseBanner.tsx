import { useQuery } from '@tanstack/react-query'
import { matchingScopeText } from '@lumaris/protocol'
import { marketQuery } from '../queries.ts'
import { visible } from '../ui/format.ts'

/** On every screen while operators let nothing new start: of what, why, and what it means for who has work or a quote. */
export function PauseBanner() {
  const paused = useQuery(marketQuery).data?.paused?.matching ?? []
  return (
    <div role="status">{paused.map((one) => (
      <div key={one.id} className="banner trouble minor">
        <span><span aria-hidden>‖</span> <strong>Nothing new starts of {visible(matchingScopeText(one.scope))}:</strong> {visible(one.says)} <span className="banner-more">New work waits and keeps its place; running work goes on; quotes bind until the time they name.</span></span>
      </div>))}</div>
  )
}
