import type { Command } from 'commander'
import { Argument } from 'commander'
import type { WithContext } from '../cli.ts'
import type { Context } from '../context.ts'

// Each script only asks `lumaris complete` with the words so far, and shows what it answers: `value<tab>description`, a line each.
const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `_lumaris() {
  local IFS=$'\\n' line
  COMPREPLY=()
  while read -r line; do COMPREPLY+=("\${line%%$'\\t'*}"); done < <(lumaris complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _lumaris lumaris
`,
  zsh: `#compdef lumaris
_lumaris() {
  local -a found
  local line
  while IFS= read -r line; do found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}"); done < <(lumaris complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#found} )); then _describe 'lumaris' found; else _files; fi
}
compdef _lumaris lumaris
`,
  fish: `function __lumaris_complete
  set -l words (commandline -opc) (commandline -ct)
  lumaris complete -- $words[2..-1] 2>/dev/null
end
complete -c lumaris -a '(__lumaris_complete)'
`,
}

export function define(command: Command, withContext: WithContext): void {
  command.addArgument(new Argument('<shell>', 'which shell').choices(Object.keys(SCRIPTS)))
    .addHelpText('before', 'Examples:\n  lumaris completion bash > ~/.local/share/bash-completion/completions/lumaris\n  source <(lumaris completion zsh)\n  lumaris completion fish > ~/.config/fish/completions/lumaris.fish\n')
    .action(withContext((context: Context, shell: string) => context.write(SCRIPTS[shell] ?? '')))
}
