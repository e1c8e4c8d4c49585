import { MillraceError } from '../lib/model/failure';
import { exitCodes } from './exitCodes';

/** What the command line refuses by itself. */
export type CommandCode =
  | 'USAGE'
  | 'STORE_NOT_FOUND'
  | 'RUN_AMBIGUOUS'
  | 'RUN_QUEUED'
  | 'AGENTS_NEEDED'
  | 'AGENTS_UNREADABLE'
  | 'AGENT_UNKNOWN'
  | 'CONFIG_UNREADABLE'
  | 'TIMED_OUT'
  | 'STUCK'
  | 'NOT_CONFIRMED';

const exits: Readonly<Record<CommandCode, number>> = {
  USAGE: exitCodes.usage,
  STORE_NOT_FOUND: exitCodes.notFound,
  RUN_AMBIGUOUS: exitCodes.notFound,
  RUN_QUEUED: exitCodes.running,
  AGENTS_NEEDED: exitCodes.noAgents,
  AGENTS_UNREADABLE: exitCodes.noAgents,
  AGENT_UNKNOWN: exitCodes.noAgents,
  CONFIG_UNREADABLE: exitCodes.usage,
  TIMED_OUT: exitCodes.timedOut,
  STUCK: exitCodes.bug,
  NOT_CONFIRMED: exitCodes.usage,
};

/** Something that the command line cannot do, before or beside what the library says. */
export class CommandError extends MillraceError {
  override readonly name = 'CommandError';
  readonly code: CommandCode;

  /**
   * @param problem - What could not be done, to what, and why.
   * @param next - What to type now. A command is written `millrace …`, at the beginning: it is shown as it has to be typed.
   */
  constructor(code: CommandCode, problem: string, next: string, options: ErrorOptions = {}) {
    super(problem, next, { ...options, tellsNext: false });
    this.code = code;
  }

  /** What the process ends with. */
  get exit(): number {
    return exits[this.code];
  }
}

/** Something was typed that cannot be meant. */
export function usageError(problem: string, next: string): CommandError {
  return new CommandError('USAGE', problem, next);
}
