import { isRefusal, refuse } from '@lumaris/protocol'
import type { UserId } from '@lumaris/protocol'
import type { App } from '../app.ts'
import { fetchUrl } from '../blobs/fetch-url.ts'
import type { FetchRules } from '../blobs/fetch-url.ts'
import type { Handlers } from './server.ts'

// A blob's name is the hash of its content: 256 bits that only who knows the content, or was told, can name. Knowing the name is therefore what
// allows reading it, for any signed-in user or agent with work. See docs/adr/0004-blobs.md.
type Names = 'statBlob' | 'putBlob' | 'getBlob' | 'fetchBlob'

/** Files that the market fetches at a time: of one buyer, and of all. */
const FETCHES_OF_ONE = 3, FETCHES = 24

export function blobHandlers(app: App, rules: FetchRules = { loopback: false }): Pick<Handlers, Names> {
  const fetching: UserId[] = []
  return {
    fetchBlob: async ({ body, who }) => {
      if (fetching.length >= FETCHES || fetching.filter((one) => one === who.userId).length >= FETCHES_OF_ONE) return refuse('overloaded', { reason: `files that are being fetched: ${FETCHES_OF_ONE} of one buyer at a time, ${FETCHES} in all` })
      fetching.push(who.userId)
      try {
        const stored = await fetchUrl(app.blobs, body, rules, app.version)
        return isRefusal(stored) ? stored : { blob: stored.sha256, size: stored.size }
      } finally { fetching.splice(fetching.indexOf(who.userId), 1) }
    },
    statBlob: async ({ params, reply }) => {
      const blob = await app.blobs.stat(params.sha256)
      if (blob) { await reply.code(200).header('content-length', String(blob.size)).header('accept-ranges', 'bytes').send(); return null }
      const offset = await app.blobs.uploaded(params.sha256)
      await reply.code(404).header('upload-offset', String(offset)).send()
      return null
    },
    putBlob: async ({ params, request, reply }) => {
      const size = whole(request.headers['upload-length'] ?? request.headers['content-length']), offset = whole(request.headers['upload-offset'] ?? '0')
      if (size === null || offset === null) return refuse('invalid_request', { reason: 'Upload-Length (the size of the whole blob) and Upload-Offset are whole numbers of bytes' })
      const answer = await app.blobs.append(params.sha256, size, offset, request.raw)
      if (isRefusal(answer)) {
        // The body was not read to its end: the connection cannot carry another request.
        void reply.header('connection', 'close')
        const at = answer.detail?.['offset']
        if (typeof at === 'number') void reply.header('upload-offset', String(at))
        return answer
      }
      await reply.code(answer.whole ? 201 : 202).header('upload-offset', String(answer.offset)).send()
      return null
    },
    getBlob: async ({ params, request, reply }) => {
      const blob = await app.blobs.stat(params.sha256)
      if (!blob) return refuse('blob_not_found')
      const range = rangeOf(request.headers.range, blob.size)
      if (range === 'bad') { void reply.header('content-range', `bytes */${blob.size}`); return refuse('bad_range', { size: blob.size }) }
      void reply.header('content-type', 'application/octet-stream').header('accept-ranges', 'bytes').header('etag', `"${params.sha256}"`).header('cache-control', 'private, immutable, max-age=31536000')
        .header('content-disposition', 'attachment')
      if (range) void reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${blob.size}`).header('content-length', String(range.end - range.start + 1))
      else void reply.header('content-length', String(blob.size))
      await reply.send(blob.size === 0 ? '' : app.blobs.read(params.sha256, range ?? undefined))
      return null
    },
  }
}

const whole = (header: string | string[] | undefined): number | null => (typeof header === 'string' && /^[0-9]{1,15}$/.test(header) ? Number(header) : null)

/** One range of bytes (RFC 9110 §14): others are ignored, as it allows. */
function rangeOf(header: string | undefined, size: number): { start: number; end: number } | 'bad' | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  if (!match || (match[1] === '' && match[2] === '')) return null
  const start = match[1] === '' ? Math.max(0, size - Number(match[2])) : Number(match[1])
  const end = match[1] !== '' && match[2] !== '' ? Math.min(Number(match[2]), size - 1) : size - 1
  return start > end || start >= size ? 'bad' : { start, end }
}
