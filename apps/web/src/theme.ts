import { Alert, Badge, Modal, createTheme } from '@mantine/core'
import type { CSSVariablesResolver } from '@mantine/core'

// What stands in a box is no alarm: only a refusal, which says so itself, is read out at once.
// Shades and outlines were chosen until every screen passed WCAG 2.2 AA in both schemes; out of the box dimmed text and outlines do not.
export const theme = createTheme({
  primaryColor: 'indigo', primaryShade: { light: 8, dark: 8 }, autoContrast: true, luminanceThreshold: 0.35, defaultRadius: 'md', cursorType: 'pointer', respectReducedMotion: true,
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif', fontFamilyMonospace: 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
  headings: { fontWeight: '650' },
  components: {
    Badge: Badge.extend({ defaultProps: { variant: 'outline', tt: 'none' } }),
    Alert: Alert.extend({ defaultProps: { variant: 'outline', role: 'note' } }),
    Modal: Modal.extend({ defaultProps: { closeButtonProps: { 'aria-label': 'Close' }, centered: true } }),
  },
})

const OUTLINES = ['red', 'green', 'blue', 'indigo', 'yellow', 'orange', 'gray', 'teal'] as const
export const cssVariables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': '#4f5963', '--mantine-color-placeholder': '#5c6670', '--mantine-color-error': '#c01c28', '--mantine-color-anchor': '#2f4ac0', '--mantine-color-body': '#ffffff', '--page-quiet': '#f5f6f8', '--page-line': '#d9dde2', '--plot-one': '#2f4ac0', '--plot-two': '#b4530a',
    ...Object.fromEntries(OUTLINES.map((name) => [`--mantine-color-${name}-outline`, `color-mix(in srgb, var(--mantine-color-${name}-9) 82%, black)`])),
  },
  dark: {
    '--mantine-color-dimmed': '#b3bac2', '--mantine-color-placeholder': '#a4acb5', '--mantine-color-error': '#ff9d9d', '--mantine-color-anchor': '#a5b8ff', '--mantine-color-body': '#15181c', '--page-quiet': '#1d2126', '--page-line': '#3a4149', '--plot-one': '#a5b8ff', '--plot-two': '#ffb066',
    ...Object.fromEntries(OUTLINES.map((name) => [`--mantine-color-${name}-outline`, `var(--mantine-color-${name}-3)`])),
  },
})
