import { forwardRef } from 'react'
import { Anchor, Button } from '@mantine/core'
import type { AnchorProps, ButtonProps } from '@mantine/core'
import { createLink } from '@tanstack/react-router'

// Links between screens, looking like the library's and typed by the routes.
export const TextLink = createLink(forwardRef<HTMLAnchorElement, Omit<AnchorProps, 'href'> & { title?: string }>((props, ref) => <Anchor ref={ref} underline="always" {...props} />))
export const ButtonLink = createLink(forwardRef<HTMLAnchorElement, Omit<ButtonProps, 'href'> & { id?: string }>((props, ref) => <Button component="a" ref={ref} {...props} />))
