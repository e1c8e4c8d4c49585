import { Command, Help, InvalidArgumentError, Option } from 'commander';

import type { TypedCommand } from './context';
import { commandSpecs } from './commandSpecs';
import { helpTitles, optionText } from './view/helpTexts';
import type { Lang } from './view/words';

/** A command that was typed, before anything of the library is loaded. */
export interface Parsed extends TypedCommand {
  readonly name: string;
}

/**
 * The commands, their options and their help. What was typed is handed to `found`; nothing is carried out here. `refused` hears the
 * command, `millrace` or `millrace show`, whose words could not be read.
 *
 * Throws commander's own errors, also for `--help` and `--version`.
 */
export function programOf(
  lang: Lang,
  version: string,
  found: (parsed: Parsed) => void,
  write: { readonly out: (text: string) => void; readonly refused?: (command: string) => void },
): Command {
  const program = new Command('millrace');
  const titles = helpTitles[lang];
  const common = (command: Command): Command =>
    command
      .exitOverride((error) => {
        write.refused?.(command === program ? 'millrace' : `millrace ${command.name()}`);
        throw error;
      })
      .configureOutput({ writeOut: write.out, writeErr: () => undefined, outputError: () => undefined })
      .configureHelp({
        styleTitle: (title) => titles[title] ?? title,
        optionDescription: (option) => describe(option, titles),
        showGlobalOptions: true,
      })
      .helpOption('-h, --help', optionText('-h, --help', lang));
  common(program)
    .description(optionText('millrace', lang))
    .version(version, '-V, --version', optionText('-V, --version', lang))
    .helpCommand('help [command]', optionText('help', lang))
    .addOption(withValue(new Option('-s, --store <folder>', optionText('-s, --store <folder>', lang))))
    .option('--json', optionText('--json', lang))
    .addOption(new Option('--lang <language>', optionText('--lang <language>', lang)).choices(['en', 'ko']));
  for (const { name, words, options, takesAgents = false } of commandSpecs) {
    const command = common(program.command(`${name} ${words}`.trim())).description(optionText(name, lang));
    for (const { flags, isMany = false } of options) {
      const option = new Option(flags, optionText(`${name} ${flags}`, lang));
      command.addOption(withValue(option, isMany));
    }
    if (takesAgents)
      command.addOption(withValue(new Option('--agents <file>', optionText('--agents <file>', lang)), true));
    command.action((...given: unknown[]) => {
      const args = given.slice(0, -2);
      found({ name, args, options: command.optsWithGlobals() });
    });
  }
  return program;
}

/** commander adds the choices in English. */
function describe(option: Option, titles: Readonly<Record<string, string>>): string {
  return new Help().optionDescription(option).replace('choices:', (title) => titles[title] ?? title);
}

/** An option whose value, where it needs one, is no other option: `--reason --yes` is a reason that was forgotten. */
function withValue(option: Option, isMany = false): Option {
  if (!option.required) return option;
  return option.argParser<unknown>((value, before) => {
    if (FLAGS.has(value)) throw new InvalidArgumentError('It is an option itself: type a value before it.');
    return isMany ? [...((before as readonly string[] | undefined) ?? []), value] : value;
  });
}

const FLAGS: ReadonlySet<string> = new Set(
  ['-s, --store', '-h, --help', '-V, --version', '--json', '--lang', '--agents']
    .concat(commandSpecs.flatMap(({ options }) => options.map(({ flags }) => flags)))
    .flatMap((flags) => flags.split(/[ ,]+/))
    .filter((word) => word.startsWith('-')),
);
