import type { ErrorComponentProps } from '@tanstack/react-router'
import { Page, Refusal } from '../ui/parts.tsx'
import { ButtonLink } from './links.tsx'

export const NotFound = () => <Page title="There is no such screen" intro="The address may be mistyped, or from another version."><div><ButtonLink to="/">To the front page</ButtonLink></div></Page>
export const Broken = ({ error, reset }: ErrorComponentProps) => <Page title="This screen broke"><Refusal error={error} retry={reset} /></Page>
