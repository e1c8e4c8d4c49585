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
  {
    name: 'watch',
    words: '[run]',
    options: flags('--partials', '--logs', '--since <event>'),

    load: async () => (await import('./commands/watchCommand.js')).watchCommand,
  },
  {
    name: 'diff',
    words: '<run> <other>',
    options: flags(),

    load: async () => (await import('./commands/diffCommand.js')).diffCommand,
  },
  {
    name: 'graph',
    words: '[run]',
    options: flags('--agent <name>', '--svg'),
    takesAgents: true,
    load: async () => (await import('./commands/graphCommand.js')).graphCommand,
  },
  {
    name: 'stats',
    words: '[store]',
    options: flags(...selecting, '--limit <count>', '--prometheus'),

    load: async () => (await import('./commands/statsCommand.js')).statsCommand,
  },
  {
    name: 'streams',
    words: '[store]',
    options: flags(),
    load: async () => (await import('./commands/streamsCommand.js')).streamsCommand,
  },
  {
    name: 'answer',
    words: '<run> [path] [json]',
    options: flags('--approve', '--reject', '--file <file>', '--wait <time>'),
    takesAgents: true,
    load: async () => (await import('./commands/answerCommand.js')).answerCommand,
  },
  {
    name: 'cancel',
    words: '[run...]',
    options: flags(...selecting, '--reason <text>', '--yes'),

    load: async () => (await import('./commands/forgetCommands.js')).cancelCommand,
  },
  {
    name: 'resume',
    words: '<run...>',
    options: flags('--on-mismatch <how>'),
    takesAgents: true,
    load: async () => (await import('./commands/carryCommands.js')).resumeCommand,
  },
  {
    name: 'fork',
    words: '<run>',
    options: flags(
      '--from <path>',
      '--input <json>',
      '--id <id>',
      '--dry-run',
      '--resume',
      '--on-mismatch <how>',
    ),
    takesAgents: true,
    load: async () => (await import('./commands/carryCommands.js')).forkCommand,
  },
  {
    name: 'retry',
    words: '<run>',
    options: flags('--same-run', '--on-mismatch <how>'),
    takesAgents: true,
    load: async () => (await import('./commands/carryCommands.js')).retryCommand,
  },
  {
    name: 'run',
    words: '<agent> [json]',
    options: flags('--id <id>', '--tag <name=value>...', '--record-inputs', '--watch'),
    takesAgents: true,
    load: async () => (await import('./commands/carryCommands.js')).runCommand,
  },
  {
    name: 'delete',
    words: '[run...]',
    options: flags(...selecting, '--snapshots', '--logs', '--dry-run', '--yes'),

    load: async () => (await import('./commands/forgetCommands.js')).deleteCommand,
  },
  {
    name: 'prune',
    words: '',
    options: flags('--keep <count>', '--older-than <time>', '--dry-run', '--yes'),

    load: async () => (await import('./commands/forgetCommands.js')).pruneCommand,
  },
  {
    name: 'export',
    words: '<run>',
    options: flags('-o, --output <file>', '--no-values', '--html', '--redact'),

    load: async () => (await import('./commands/fileCommands.js')).exportCommand,
  },
  {
    name: 'import',
    words: '<file>',
    options: flags('--id <id>'),

    load: async () => (await import('./commands/fileCommands.js')).importCommand,
  },
  {
    name: 'salvage',
    words: '<folder> <target>',
    options: flags('--dry-run'),

    load: async () => (await import('./commands/fileCommands.js')).salvageCommand,
  },
  {
    name: 'doctor',
    words: '[store]',
    options: flags('--fix'),
    takesAgents: true,
    load: async () => (await import('./commands/doctorCommand.js')).doctorCommand,
  },
  {
    name: 'inspect',
    words: '[store...]',
    options: flags('--port <port>', '--host <host>', '--token <token>', '--read-only', '--open'),
    takesAgents: true,
    load: async () => (await import('./commands/inspectCommand.js')).inspectCommand,
  },
  {
    name: 'completion',
    words: '<shell>',
    options: flags(),

    load: async () => (await import('./commands/completionCommand.js')).completionCommand,
  },
];
