import '@mantine/core/styles.css'
import './global.css'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { MantineProvider, localStorageColorSchemeManager } from '@mantine/core'
import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { isLumarisError } from '@lumaris/sdk'
import { router } from './routes.tsx'
import { ended, resume, session } from './session/session.ts'
import { labelCells } from './ui/cell-labels.ts'
import { cssVariables, theme } from './theme.ts'

const nonce = document.querySelector<HTMLMetaElement>('meta[name=style-nonce]')?.content ?? ''
// The scroll lock of dialogs makes a style element of its own and looks for its nonce under this name.
Object.assign(globalThis, { __webpack_nonce__: nonce })

// The client of the interface tries again by itself where that is safe; a second layer of tries would only make refusals late.
const queries = new QueryClient({
  defaultOptions: { queries: { retry: false, staleTime: 1_000 }, mutations: { retry: false } },
  queryCache: new QueryCache({ onError: (error) => { if (isLumarisError(error) && error.status === 401) ended() } }),
})
const colours = localStorageColorSchemeManager({ key: 'lumaris-colours' })

await resume()
let who = session.get()
session.subscribe(() => {
  const now = session.get()
  if (now.kind === who.kind && (now.kind === 'out' || (who.kind === 'in' && now.user.id === who.user.id))) return
  who = now
  queries.clear() // nothing of one person is left for the next
  void router.invalidate()
})

labelCells(document.body)
createRoot(document.querySelector('#root') as HTMLElement).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto" colorSchemeManager={colours} getStyleNonce={() => nonce}>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
)
