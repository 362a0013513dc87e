const RANGE = /^(\d\d):(\d\d)-(\d\d):(\d\d)$/
/** How much of each hour of a day is open, 0 to 1. What cannot be read as a range opens nothing: a stranger's agent may write what it likes. */
export function openShares(ranges: readonly string[]): number[] {
  const minutes = Array.from({ length: 24 }, () => 0)
  for (const range of ranges) {
    const [, fromHour, fromMinute, toHour, toMinute] = RANGE.exec(range)?.map(Number) ?? []
    const from = (fromHour ?? 0) * 60 + (fromMinute ?? 0), to = (toHour ?? 0) * 60 + (toMinute ?? 0)
    if (from >= to || to > 1440) continue
    for (let hour = 0; hour < 24; hour++) minutes[hour] = (minutes[hour] ?? 0) + Math.max(0, Math.min(to, (hour + 1) * 60) - Math.max(from, hour * 60))
  }
  return minutes.map((open) => Math.min(1, open / 60))
}
