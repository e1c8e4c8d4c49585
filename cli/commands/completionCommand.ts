import { usageError } from '../commandError';
import type { CommandContext, CompletedCommand } from '../context';
import { exitCodes } from '../exitCodes';

const common = ['--store', '--json', '--lang', '--help'];

/** Prints a script that completes commands and options in a shell. */
export function completionCommand({ args, output, commands }: CommandContext): Promise<number> {
  const shell = String(args[0]);
  const make = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
  if (make === undefined)
    throw usageError(`Cannot complete in ${shell}`, `give one of ${Object.keys(scripts).join(', ')}`);
  const script = make(commands);
  if (output.isJson) output.json({ script });
  else output.print(script);
  return Promise.resolve(exitCodes.done);
}

/** The long options of each command. */
function optionsByCommand(
  commands: readonly CompletedCommand[],
): readonly (readonly [string, readonly string[]])[] {
  return commands.map(({ name, options, takesAgents = false }) => [
    name,
    [
      ...options.map(({ flags }) => /--[\w-]+/.exec(flags)?.[0] ?? ''),
      ...(takesAgents ? ['--agents'] : []),
      ...common,
    ],
  ]);
}

const names = (commands: readonly CompletedCommand[]): string => commands.map(({ name }) => name).join(' ');

const scripts: Readonly<Record<string, (commands: readonly CompletedCommand[]) => string>> = {
  bash: (commands) => `# millrace completion bash >> ~/.bashrc
_millrace() {
  local word="\${COMP_WORDS[COMP_CWORD]}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${names(commands)} help' -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${optionsByCommand(commands)
  .map(([name, options]) => `    ${name}) COMPREPLY=($(compgen -W '${options.join(' ')}' -- "$word")) ;;`)
  .join('\n')}
  esac
}
complete -o default -F _millrace millrace`,

  zsh: (commands) => `#compdef millrace
# millrace completion zsh > "\${fpath[1]}/_millrace"
_millrace() {
  if (( CURRENT == 2 )); then
    compadd ${names(commands)} help
    return
  fi
  case "\${words[2]}" in
${optionsByCommand(commands)
  .map(([name, options]) => `    ${name}) compadd -- ${options.join(' ')}; _files ;;`)
  .join('\n')}
  esac
}
compdef _millrace millrace`,

  fish: (commands) =>
    [
      '# millrace completion fish > ~/.config/fish/completions/millrace.fish',
      `complete -c millrace -f -n __fish_use_subcommand -a '${names(commands)} help'`,
      ...optionsByCommand(commands).flatMap(([name, options]) =>
        options.map(
          (option) =>
            `complete -c millrace -n '__fish_seen_subcommand_from ${name}' -l ${option.replace(/^--/, '')}`,
        ),
      ),
    ].join('\n'),
};
