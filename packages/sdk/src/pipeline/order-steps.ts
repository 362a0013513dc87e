// A pipeline's steps in an order in which each comes after those it needs; what cannot be one is refused by the name of the step.
import { Pipeline, PIPELINE_STEPS_MAX } from '@lumaris/protocol'
import type { PipelineStep } from '@lumaris/protocol'
import { LumarisError } from '../errors.ts'

const bad = (message: string): LumarisError => new LumarisError('bad_pipeline', message)
export const needsOf = (step: PipelineStep): string[] => step.needs.map((need) => (typeof need === 'string' ? need : need.step))

/** Checks what was read from a file. Names first: whoever has misspelt one wants to hear its name, and not its number. */
export function parsePipeline(value: unknown): Pipeline {
  const parsed = Pipeline.safeParse(value)
  if (!parsed.success) {
    const [issue] = parsed.error.issues, [top, index, ...rest] = issue?.path ?? []
    const steps = (value as { steps?: unknown } | null)?.steps
    if (top === 'steps' && Array.isArray(steps) && steps.length > PIPELINE_STEPS_MAX) throw bad(`${steps.length} steps are more than the ${PIPELINE_STEPS_MAX} of one pipeline`)
    const name = top === 'steps' && typeof index === 'number' && Array.isArray(steps) ? (steps[index] as { name?: unknown } | null)?.name : undefined
    throw bad(`${top === 'steps' && typeof index === 'number' ? `Step ${typeof name === 'string' ? `"${name}"` : index + 1}: ${rest.join('.')}` : [top, index, ...rest].filter((part) => part !== undefined).join('.')}: ${issue?.message ?? ''}`.replace(/^: |(?<=: ): /, ''))
  }
  const pipeline = parsed.data
  return { ...pipeline, steps: orderSteps(pipeline.steps) }
}

function orderSteps(steps: readonly PipelineStep[]): PipelineStep[] {
  const byName = new Map<string, PipelineStep>()
  for (const step of steps) {
    if (byName.has(step.name)) throw bad(`Two steps are called "${step.name}"`)
    byName.set(step.name, step)
  }
  for (const step of steps) {
    const needs = needsOf(step)
    for (const need of needs) {
      if (need === step.name) throw bad(`Step "${step.name}" needs itself`)
      if (!byName.has(need)) throw bad(`Step "${step.name}" needs "${need}", and no step is called that`)
    }
    const twice = needs.find((need, i) => needs.indexOf(need) !== i)
    if (twice !== undefined) throw bad(`Step "${step.name}" needs "${twice}" twice: name all its files in one place`)
  }
  const placed = new Set<string>(), ordered: PipelineStep[] = []
  while (ordered.length < steps.length) {
    const next = steps.find((step) => !placed.has(step.name) && needsOf(step).every((need) => placed.has(need)))
    if (!next) throw bad(`The steps ${circle(steps.filter((step) => !placed.has(step.name)), byName).map((name) => `"${name}"`).join(' → ')} need one another in a circle`)
    placed.add(next.name)
    ordered.push(next)
  }
  return ordered
}

/** Every step that is left needs another that is left; whoever follows the first such need comes back to where it was. */
function circle(left: readonly PipelineStep[], byName: ReadonlyMap<string, PipelineStep>): string[] {
  const names = new Set(left.map((step) => step.name)), path: string[] = []
  for (let at = left[0]?.name ?? ''; ; at = needsOf(byName.get(at) as PipelineStep).find((need) => names.has(need)) ?? '') {
    const seen = path.indexOf(at)
    if (seen >= 0) return [...path.slice(seen), at]
    path.push(at)
  }
}
