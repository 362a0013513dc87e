import { expect, test } from 'vitest'
import { meaningOf } from './container-images.ts'

const DIGEST = `sha256:404${'4'.repeat(61)}`
const says = (ref: string, why: string): string => `initializing source docker://${ref}: reading manifest ${DIGEST} in ${ref.slice(0, ref.indexOf('@'))}: ${why}`
test.each([
  [`127.0.0.1:40427/private-too@${DIGEST}`, 'unauthorized: unauthorized', 'wants credentials'],
  [`127.0.0.1:404/private@${DIGEST}`, 'status 401', 'wants credentials'],
  [`127.0.0.1:5000/not-found@${DIGEST}`, 'authentication required', 'wants credentials'],
  [`127.0.0.1:40127/denied@${DIGEST}`, 'manifest unknown', 'there is no image'],
  [`127.0.0.1:40327/denied@${DIGEST}`, 'StatusCode: 404, page', 'there is no image'],
  [`127.0.0.1:5000/denied/unauthorized@${DIGEST}`, 'connection reset by peer', 'could not be fetched'],
])('what an engine says of %s is not read out of the name that the buyer chose', (ref, why, meaning) => {
  expect(meaningOf(ref, says(ref, why)).message).toContain(meaning)
})
