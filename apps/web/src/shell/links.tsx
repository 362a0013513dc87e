import { forwardRef } from 'react'
import { Anchor, Button } from '@mantine/core'
import type { AnchorProps, ButtonProps } from '@mantine/core'
import { createLink } from '@tanstack/react-router'
import { visible } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'

// Links between screens, looking like the library's and typed by the routes.
export const TextLink = createLink(forwardRef<HTMLAnchorElement, Omit<AnchorProps, 'href'> & { title?: string }>((props, ref) => <Anchor ref={ref} underline="always" {...props} />))
export const ButtonLink = createLink(forwardRef<HTMLAnchorElement, Omit<ButtonProps, 'href'> & { id?: string }>((props, ref) => <Button component="a" ref={ref} {...props} />))
/** On a phone a sign stands for it; it is still read out. */
export const AccountName = ({ name }: { name: string }) => <><span className="only-narrow"><Icon name="person" /></span><span className="account-name">{visible(name)}</span></>
