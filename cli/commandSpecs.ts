import type { Command } from './context';

/** An option of a command. */
interface OptionSpec {
  /** As commander reads them: `--limit <n>`. */
  readonly flags: string;
  /** May be given several times. */
  readonly isMany?: boolean;
}

/** A command: what may be typed behind its name, and where it is carried out. */
export interface CommandSpec {
  readonly name: string;
  /** Its arguments, as commander reads them: `<run> [path]`. */
  readonly words: string;
  readonly options: readonly OptionSpec[];
  readonly takesAgents?: boolean;
  /** Loads what carries it out: `--help` needs none of it. */
  readonly load: () => Promise<Command>;
}

const flags = (...all: readonly string[]): readonly OptionSpec[] =>
  all.map((each) => (each.endsWith('...') ? { flags: each.slice(0, -3), isMany: true } : { flags: each }));

const selecting = ['--status <status>', '--name <agent>', '--since <time>', '--tag <name=value>...'];

/** All commands, in the order of the help. */
export const commandSpecs: readonly CommandSpec[] = [
  {
    name: 'list',
    words: '[store]',
    options: flags(
      ...selecting,
      '--failed-step <path>',
      '--text <text>',
      '--resting',
      '--limit <count>',
      '--counts',
    ),
    load: async () => (await import('./commands/listCommand.js')).listCommand,
  },
  {
    name: 'show',
    words: '<run>',
    options: flags(
      '--step <path>',
      '--failed',
      '--at <event>',
      '--output [path]',
      '--input',
      '--tree',
      '--mermaid',
      '--full',
    ),
    load: async () => (await import('./commands/showCommand.js')).showCommand,
  },
  {
    name: 'events',
    words: '<run>',
    options: flags('--type <types>', '--path <glob>', '--since <event>', '--follow'),
    load: async () => (await import('./commands/eventCommands.js')).eventsCommand,
  },
  {
    name: 'logs',
    words: '<run>',
    options: flags('--level <level>', '--path <glob>', '--since <event>', '--follow'),
    load: async () => (await import('./commands/eventCommands.js')).logsCommand,
  },
];
