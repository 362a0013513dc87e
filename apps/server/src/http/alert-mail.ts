import { refuse } from '@lumaris/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App } from '../app.ts'
import { ASK_PAGE, BROKEN_PAGE, PAGE_HEADS, STOPPED_PAGE } from '../mail/off-page.ts'
import type { Handlers } from './server.ts'

type Names = 'getAlertMail' | 'setAlertMail' | 'sendAlertMailCode' | 'proveAlertMail' | 'testAlertMail' | 'lookAtMailLink' | 'stopMail'

export function alertMailHandlers({ alertMail }: App): Pick<Handlers, Names> {
  const page = async (reply: FastifyReply, html: string, status = 200): Promise<null> => { await reply.code(status).headers(PAGE_HEADS).send(html); return null }
  /** A person gets a page, a program a refusal that it can read. */
  const broken = (request: FastifyRequest, reply: FastifyReply) => ((request.headers.accept ?? '').includes('text/html') ? page(reply, BROKEN_PAGE, 410) : refuse('mail_link_invalid'))
  return {
    getAlertMail: ({ who }) => alertMail.view(who.userId),
    setAlertMail: ({ body, who }) => alertMail.set(who.userId, body),
    sendAlertMailCode: ({ who }) => alertMail.sendCode(who.userId),
    proveAlertMail: ({ body, who }) => alertMail.prove(who.userId, body.code),
    testAlertMail: ({ who }) => alertMail.test(who.userId),
    lookAtMailLink: async ({ params, request, reply }) => ((await alertMail.readLink(params.token)) === null ? broken(request, reply) : page(reply, ASK_PAGE)),
    stopMail: async ({ params, request, reply }) => {
      const user = await alertMail.readLink(params.token)
      if (user === null) return broken(request, reply)
      await alertMail.stop(user)
      return page(reply, STOPPED_PAGE)
    },
  }
}
