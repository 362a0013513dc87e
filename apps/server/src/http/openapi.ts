// OpenAPI 3.1 from the route table: the same zod schemas that validate.
import { z } from 'zod'
import { Problem, REFUSALS, routes } from '@lumaris/protocol'
import type { Route } from '@lumaris/protocol'

type Json = Record<string, unknown>
const schema = (type: z.ZodType, io: 'input' | 'output'): Json => {
  const { $schema: _, $defs, ...body } = z.toJSONSchema(type, { io, unrepresentable: 'any', reused: 'inline', cycles: 'ref', override: ({ jsonSchema }) => { delete jsonSchema.id } }) as Json
  return $defs ? { ...body, $defs } : body
}

function parameters(type: z.ZodObject | undefined, where: 'path' | 'query'): Json[] {
  if (!type) return []
  return Object.entries(type.shape).map(([name, field]) => ({ name, in: where, required: where === 'path' || !field.safeParse(undefined).success, schema: schema(field as z.ZodType, 'input') }))
}

function operation(route: Route): Json {
  const ok = String(route.status ?? 200)
  const content = route.sends === 'bytes' ? { 'application/octet-stream': {} } : route.sends === 'text' ? { 'text/plain': {} }
    : route.sends === 'events' ? { 'text/event-stream': { schema: route.reply ? schema(route.reply, 'output') : {} }, 'application/json': { schema: { type: 'array', items: route.reply ? schema(route.reply, 'output') : {} } } }
    : route.reply ? { 'application/json': { schema: schema(route.reply, 'output') } } : undefined
  const statuses = new Map<number, string[]>()
  for (const code of route.refuses) statuses.set(REFUSALS[code].status, [...(statuses.get(REFUSALS[code].status) ?? []), code])
  return {
    operationId: route.id, summary: route.summary, tags: [route.path.split('/')[2] ?? 'market'],
    ...(route.who === 'anyone' ? { security: [] } : { security: [{ bearer: route.scope ? [route.scope] : [] }] }), 'x-who': route.who,
    parameters: [...parameters(route.params, 'path'), ...parameters(route.query, 'query'), ...(route.idempotent ? [{ name: 'Idempotency-Key', in: 'header', required: false, schema: { type: 'string', maxLength: 200 } }] : [])],
    ...(route.body ? { requestBody: { required: true, content: { 'application/json': { schema: schema(route.body, 'input') } } } } : route.takes === 'form' ? { requestBody: { required: false, content: { 'application/x-www-form-urlencoded': {}, 'multipart/form-data': {} } } } : route.takes === 'raw' ? { requestBody: { required: true, content: { 'application/octet-stream': {} } } } : {}),
    responses: {
      [ok]: { description: 'Done', ...(content ? { content } : {}) },
      ...Object.fromEntries([...statuses].map(([status, codes]) => [String(status), { description: codes.join(', '), content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } }])),
      default: { description: 'Refused', content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } } },
    },
  }
}

let made: Json | undefined
export function openapi(version: string): Json {
  if (made) return made
  const paths: Record<string, Json> = {}
  for (const route of Object.values(routes) as Route[]) {
    const path = route.path.replace(/:([a-z0-9]+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) }
  }
  made = {
    openapi: '3.1.0', info: { title: 'Lumaris', version, description: 'A compute marketplace: a scheduler that pays, and a market that schedules.', license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    paths, components: { schemas: { Problem: schema(Problem, 'output') }, securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
  }
  return made
}
