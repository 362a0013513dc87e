// The form in four steps, for screens that are too narrow for all of it. Nothing is taken away between them: every field stays where it is, and only one step is seen.
import { useEffect, useRef } from 'react'
import { Button, Group, Title } from '@mantine/core'

export const STEPS = ['what', 'where', 'limits', 'review'] as const
export type Step = (typeof STEPS)[number]
const NAME: Readonly<Record<Step, string>> = { what: 'What', where: 'Where', limits: 'Limits', review: 'Review' }
/** In which step the field is that a complaint of the market is about. */
export function stepOf(pointer: string): Step {
  if (/^\/spec\/(resources|placement)\b/.test(pointer)) return 'where'
  return /^\/(cap\b|spec\/(limits|copies|assurance|compare|interruptible|plan|deadline|expectedMs|checkpoint|displace|speculate)\b)/.test(pointer) ? 'limits' : 'what'
}

export function StepsHead({ step, go, wrong }: { step: Step; go: (step: Step) => void; wrong: ReadonlySet<Step> }) {
  const heading = useRef<HTMLHeadingElement>(null), before = useRef(step)
  // Whoever goes on finds the focus at the head of what is new.
  useEffect(() => { if (before.current !== step) { before.current = step; heading.current?.focus(); window.scrollTo(0, 0) } }, [step])
  return (
    <>
      <nav aria-label="Steps"><ol className="steps">{STEPS.map((one, i) => <li key={one}><button type="button" className="step" aria-current={one === step ? 'step' : undefined} onClick={() => go(one)}>{i + 1}<span>{NAME[one]}</span>{wrong.has(one) && <span className="step-wrong"><span aria-hidden>!</span><span className="for-readers">: something is wrong here</span></span>}</button></li>)}</ol></nav>
      <Title order={2} size="h4" ref={heading} tabIndex={-1} className="step-title">{STEPS.indexOf(step) + 1} of {STEPS.length}: {NAME[step]}</Title>
    </>
  )
}
export function StepsFoot({ step, go }: { step: Step; go: (step: Step) => void }) {
  const at = STEPS.indexOf(step), back = STEPS[at - 1], next = STEPS[at + 1]
  return <Group justify="space-between">{back ? <Button variant="default" onClick={() => go(back)}>Back: {NAME[back]}</Button> : <span />}{next && <Button onClick={() => go(next)}>Next: {NAME[next]}</Button>}</Group>
}
