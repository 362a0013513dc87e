import { join } from 'node:path'
import type { Command } from 'commander'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'
import { CliError, EXIT } from '../failures.ts'
import { asIs } from '../parse.ts'
import { joinPath } from './agent-owner.ts'

export function define(command: Command, withContext: WithContext): void {
  command.addHelpText('before', 'Examples:\n  lumaris images build\n  lumaris images build --into ./images --like manifest.json     the same again, to the last bit, or not at all\n')
  command.command('build').summary('make the machine that the qemu driver boots, of Debian packages').description('Makes the machine that the qemu driver boots, of Debian packages which apt fetches and checks. An agent that starts afterwards offers the level vm.')
    .option('--into <folder>', 'where it belongs', asIs, imagesPath())
    .option('--like <manifest>', 'exactly these packages, and exactly this result', asIs)
    .action(withContext(build))
}
/** Where the agent of this machine looks. */
export const imagesPath = (): string => join(joinPath(), 'images')

async function build(context: Context, options: { into: string; like?: string }): Promise<void> {
  const { ImagesRefused, buildImages } = await import('@lumaris/agent')
  const manifest = await buildImages({ into: options.into, ...(options.like === undefined ? {} : { like: options.like }), say: (line) => context.note(line) }).catch((error: unknown) => {
    if (error instanceof ImagesRefused) throw new CliError('The image was not made', error.message, EXIT.failed)
    throw error
  })
  await context.showThing({ folder: options.into, ...manifest }, [['folder', options.into], ['kernel', manifest.kernel.sha256], ['first root', manifest.initrd.sha256], ['root', manifest.root.sha256], ['packages', String(manifest.packages.length)]])
}
