import '@mantine/core/styles.css'
import './global.css'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { MantineProvider, localStorageColorSchemeManager } from '@mantine/core'
import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { router } from './routes.tsx'
import { resume, session } from './session/session.ts'
import { cssVariables, theme } from './theme.ts'

const nonce = document.querySelector<HTMLMetaElement>('meta[name=style-nonce]')?.content ?? ''
// The scroll lock of dialogs makes a style element of its own and looks for its nonce under this name.
Object.assign(globalThis, { __webpack_nonce__: nonce })

// The client of the interface tries again by itself where that is safe; a second layer of tries would only make refusals late.
const queries = new QueryClient({ defaultOptions: { queries: { retry: false, staleTime: 1_000 }, mutations: { retry: false } } })
const colours = localStorageColorSchemeManager({ key: 'lumaris-colours' })

await resume()
let who = session.get().kind
session.subscribe(() => {
  if (session.get().kind === who) return
  who = session.get().kind
  if (who === 'out') queries.clear() // nothing of one person is left for the next
  void router.invalidate()
})

createRoot(document.querySelector('#root') as HTMLElement).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto" colorSchemeManager={colours} getStyleNonce={() => nonce}>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
)
