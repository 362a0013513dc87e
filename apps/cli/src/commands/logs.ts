import type { Command } from 'commander'
import type { LogPiece } from '@lumaris/sdk'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { EXIT } from '../failures.ts'
import { parseCount } from '../parse.ts'

export function define(command: Command, withContext: WithContext): void {
  command.argument('<job|attempt>', 'its id')
    .option('-f, --follow', 'go on until it ends')
    .option('--task <number>', 'only this task, from 0', parseCount)
    .addHelpText('before', 'Examples:\n  lumaris logs job_01jcd3k8w9e5r7t2y4u6p8a0sd > out.txt\n  lumaris logs -f job_01jcd3k8w9e5r7t2y4u6p8a0sd\n')
    .action(withContext(logs))
}

async function logs(context: Context, id: string, options: { follow?: boolean; task?: number }): Promise<void> {
  const client = await context.client()
  const { signal, stop } = context.interruptible()
  const show = (piece: LogPiece & { attempt: string; task?: number }): Promise<void> => context.flags.json || context.flags.jsonLines
    ? context.write(`${JSON.stringify({ attempt: piece.attempt, stream: piece.stream, offset: piece.offset, at: piece.at, data: Buffer.from(piece.bytes).toString('base64') })}\n`)
    : context.write(piece.bytes, piece.stream)
  try {
    if (id.startsWith('att_')) {
      for await (const piece of client.logs(id, { follow: options.follow === true, signal })) await show({ attempt: id, ...piece })
    } else if (options.follow) {
      const wants = options.task === undefined ? {} : { wants: (attempt: { task: string }) => attempt.task === `${id}.${options.task}` }
      for await (const news of client.followJob(id, { signal, ...wants })) if (news.kind === 'log') await show(news)
    } else for await (const attempt of client.attempts(id, { signal })) {
      if (options.task !== undefined && attempt.task !== `${id}.${options.task}`) continue
      for await (const piece of client.logs(attempt.id, { follow: false, signal })) await show({ attempt: attempt.id, ...piece })
    }
  } catch (error) {
    if (!signal.aborted) throw error
    // Following is what was stopped; the job never noticed.
    context.note(`The job goes on. Cancel it with: lumaris cancel ${id}`)
    context.exitCode = EXIT.interrupted
  } finally { stop() }
}
