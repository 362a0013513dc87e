// Beside the price: what would make it cheaper, or bring more nodes, as the market has reckoned it for that very request. One press asks for it.
import { Button, Group, Text } from '@mantine/core'
import { MIB } from '@lumaris/protocol'
import type { QuoteAround, QuoteChange } from '@lumaris/protocol'
import { creditsText, plural } from '../ui/format.ts'
import type { Draft } from './draft.ts'

const SHOWN = 3
/** The field that it is about, as the form has it. */
export function changed({ what, to }: QuoteChange): Partial<Draft> {
  switch (what) {
    case 'memoryBytes': return { memoryMib: Number(to) / MIB }
    case 'cpuMillis': return { cores: Number(to) / 1000 }
    case 'diskBytes': return { diskMib: Number(to) / MIB }
    case 'gpus': return { gpus: Number(to) }
    case 'gpuModels': return { gpuModels: '' }
    case 'minLevel': return { minLevel: String(to) }
    case 'regions': return { regions: '' }
    case 'minTrust': return { minTrust: '' }
    case 'maxAttemptCost': return { maxAttempt: '' }
    case 'interruptible': return { service: 'interruptible' }
  }
}
/** As its field has it, and not rounded: it is what is asked for then. */
const mib = (bytes: string | number | null): string => (Number(bytes) / MIB).toLocaleString('en')
const LEVEL: Readonly<Record<string, string>> = { language: 'a language runtime', namespace: 'namespaces', kernel: 'a kernel of its own', vm: 'a virtual machine' }
function says({ what, from, to }: QuoteChange): string {
  switch (what) {
    case 'memoryBytes': return `${mib(to)} MiB of memory instead of ${mib(from)}`
    case 'cpuMillis': return `${plural(Number(to) / 1000, 'core')} instead of ${Number(from) / 1000}`
    case 'diskBytes': return `${mib(to)} MiB of disk instead of ${mib(from)}`
    case 'gpus': return `${plural(Number(to), 'graphics card')} instead of ${from}`
    case 'gpuModels': return 'any model of graphics card'
    case 'minLevel': return `${LEVEL[String(to)] ?? to} around it instead of ${LEVEL[String(from)] ?? from}`
    case 'regions': return 'any region'
    case 'minTrust': return 'nodes that have shown nothing yet, too'
    case 'maxAttemptCost': return 'no bound on what one try may cost'
    case 'interruptible': return 'interruptible: firm work may take its place'
  }
}
export function effect(now: Pick<QuoteAround, 'p50' | 'nodes'>, { p50, nodes }: QuoteChange): string {
  const was = Number(now.p50), share = was === 0 || now.nodes === 0 ? 0 : Math.round(((Number(p50) - was) / was) * 100)
  return [share === 0 ? null : `${share < 0 ? '−' : '+'}${Math.abs(share)} %`, nodes === now.nodes ? null : `${plural(nodes, 'node')} instead of ${now.nodes}`].filter(Boolean).join(', ')
}
/** The button that was pressed goes with what it offered; the focus goes to what has changed by it. */
function focusPrice(): void { const head = document.getElementById('price'); if (head) { head.tabIndex = -1; head.focus() } }
export function Around({ around, apply }: { around: QuoteAround; apply: (change: Partial<Draft>) => void }) {
  if (around.changes.length === 0) return null
  return (
    <div role="group" aria-labelledby="around-label">
      <Text size="sm" fw={600} id="around-label">{around.nodes === 0 ? 'What would help' : 'Cheaper, or more nodes'}</Text>
      <ul className="plain-list" role="list">{around.changes.slice(0, SHOWN).map((change) => (
        <li key={change.what}><Group gap="xs" py={4} wrap="nowrap" align="flex-start">
          <Text size="sm" flex={1}>{says(change)}: <strong>{effect(around, change)}</strong> <span className="small">(likely {creditsText(change.p50)})</span></Text>
          <Button size="compact-sm" variant="default" onClick={() => { apply(changed(change)); focusPrice() }}>Take it<span className="for-readers">: {says(change)}</span></Button>
        </Group></li>))}</ul>
    </div>
  )
}
