// What a job asks for, in a line that a person can read.
import { GIB, MIB } from '@lumaris/protocol'
import type { JobSpec } from '@lumaris/protocol'

const bytes = (size: number): string => (size >= GIB ? `${Math.round((size / GIB) * 10) / 10} GiB` : `${Math.round(size / MIB)} MiB`)
export function amountText(what: 'cpu' | 'memory' | 'disk' | 'gpu' | 'gpu_memory', amount: string | number): string {
  const value = Number(amount)
  if (what === 'cpu') return value === 1000 ? '1 core' : `${value / 1000} cores`
  return what === 'gpu' ? String(value) : bytes(value)
}

export function needText({ resources, placement, runtime, network }: JobSpec): string {
  return [
    amountText('cpu', resources.cpuMillis), bytes(resources.memoryBytes), `${bytes(resources.diskBytes)} disk`,
    ...(resources.gpus > 0 ? [`${resources.gpus} × ${resources.gpuShare === undefined ? '' : `${resources.gpuShare}/1000 `}${resources.gpuModels?.join('/') ?? 'GPU'}${resources.gpuMemoryBytes === undefined ? '' : ` of ${bytes(resources.gpuMemoryBytes)}`}`] : []),
    runtime, ...(placement.minLevel === 'language' ? [] : [`at least ${placement.minLevel}`]), ...(placement.encryptedScratch ? ['encrypted scratch'] : []), ...(network ? ['outgoing connections'] : []), ...(placement.regions ? [placement.regions.join('/')] : []),
    ...Object.entries(placement.labels).map(([name, value]) => `${name}=${value}`), ...(placement.where ?? []).map((term) => `${term.label} ${term.op}${'values' in term ? ` ${term.values.join('|')}` : 'value' in term ? ` ${term.value}` : ''}`),
  ].join(', ')
}
