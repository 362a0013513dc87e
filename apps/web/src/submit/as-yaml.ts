// The same request as a file in YAML, for `lumaris submit --spec job.yaml`. In a file of its own: the library comes when somebody asks for it.
import { Document, visit } from 'yaml'
import { submitLine, withoutUploads } from './as-code.ts'
import type { Plan } from './draft.ts'

/** A text over several lines that may stand as it is, indented: a script. The library loses blanks of others (lines of blanks alone, blanks before the first word), so they are quoted. */
const isScript = (text: string): boolean => /^[!-~\u00a1-\ud7ff][^\n]*\n/.test(text) && !/\n[ \t]+(?:\n|$)|\n\n$/.test(text) && !NOT_PLAIN.test(text)
/** What cannot be seen, or is another sign in another editor. */
// oxlint-disable-next-line no-control-regex
const NOT_PLAIN = /[\u0000-\u0008\u000b-\u001f\u007f-\u00a0\u2028\u2029\ufeff\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/
/**
 * As the command line reads it (version 1.2, core schema), and so that readers of YAML 1.1, for whom `no` is no text, read the same; texts are never folded, and what stands twice is written
 * twice.
 */
function asYaml(value: unknown): string {
  const document = new Document(value, { version: '1.2', schema: 'core', compat: 'yaml-1.1', aliasDuplicateObjects: false })
  visit(document, { Scalar(_key, node) { if (typeof node.value === 'string') { if (isScript(node.value)) node.type = 'BLOCK_LITERAL'; else if (node.value.includes('\n') || NOT_PLAIN.test(node.value)) node.type = 'QUOTE_DOUBLE' } } })
  return document.toString({ lineWidth: 0, doubleQuotedAsJSON: true })
}
/** With the line that submits it; a name of a file has no line of its own in it, whatever it is. */
export const yamlText = (plan: Plan): string => `# ${submitLine('job.yaml', plan).replace(/\p{C}+|[\u2028\u2029]+/gu, ' ')}\n${asYaml(withoutUploads(plan))}`
