import { isRefusal, refuse } from '@lumaris/protocol'
import type { Refusal, WebhookId } from '@lumaris/protocol'
import type { App } from '../app.ts'
import type { Handlers } from './server.ts'
import type { UserPrincipal } from './policy.ts'

type Names = 'createWebhook' | 'listWebhooks' | 'removeWebhook' | 'enableWebhook' | 'testWebhook' | 'listDeliveries' | 'resendDelivery'

export function webhookHandlers(app: App): Pick<Handlers, Names> {
  const { webhooks } = app
  /** Also an admin has no business with where somebody is told things. */
  const mine = async <Answer>(who: UserPrincipal, id: WebhookId, act: () => Promise<Answer | Refusal>): Promise<Answer | Refusal> => ((await webhooks.ownerOf(id)) === who.userId ? act() : refuse('not_found'))
  return {
    createWebhook: ({ body, who }) => webhooks.create(who.userId, body, who.member?.by),
    listWebhooks: async ({ who }) => ({ data: await webhooks.list(who.userId), nextCursor: null }),
    removeWebhook: async ({ params, who }) => { const answer = await mine(who, params.webhook, async () => { await webhooks.remove(params.webhook); return null }); return isRefusal(answer) ? answer : undefined },
    enableWebhook: ({ params, who }) => mine(who, params.webhook, () => webhooks.enable(params.webhook)),
    testWebhook: ({ params, who }) => mine(who, params.webhook, () => webhooks.test(params.webhook)),
    listDeliveries: ({ params, query, who }) => mine(who, params.webhook, () => webhooks.deliveries(params.webhook, query.limit, query.cursor)),
    resendDelivery: ({ params, who }) => mine(who, params.webhook, () => webhooks.resend(params.webhook, params.delivery)),
  }
}
