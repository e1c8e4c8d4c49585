import { MillraceError } from '../lib/model/failure';
import { printable } from '../lib/report/columns';
import { commandText, shellText } from '../lib/report/shellText';
import { CommandError } from './commandError';
import type { CommandContext } from './context';
import { exitCodes, exitOfCode } from './exitCodes';
import { programTyped } from './settings';
import type { Output } from './view/output';
import { paint } from './view/output';

/** An error as it is shown, and what the process ends with. */
interface ShownError {
  readonly code: string;
  readonly name: string;
  readonly message: string;
  readonly next: string;
  readonly exit: number;
}

/** Tells an error: on standard error for people, as `{"error": …}` on standard output with `--json`. Gives the exit code. */
export function reportError(thrown: unknown, output: Output, env: CommandContext['env']): number {
  const { exit, ...error } = recordOf(thrown, programTyped(env).join(' '));
  if (output.isJson) output.json({ error });
  else {
    output.tell(`${paint('✘', 'red', output)} ${printable(error.message)}`);
    if (error.next !== '') output.tell(`  ${error.next}`);
  }
  return exit;
}

/**
 * An error as plain data, with what to type in the place of what to call.
 *
 * @param millrace - What a command begins with where it has to be typed.
 */
export function recordOf(thrown: unknown, millrace = 'millrace'): ShownError {
  if (thrown instanceof MillraceError) {
    const { code, name } = thrown;
    const next = nexts[code]?.(thrown, millrace) ?? thrown.next;
    return {
      code,
      name,
      message: withoutNext(thrown),
      // A command stands at the beginning.
      next: thrown instanceof CommandError ? next.replace(/^millrace (?=\w)/, `${millrace} `) : next,
      exit: thrown instanceof CommandError ? thrown.exit : exitOfCode(code),
    };
  }
  const { name = 'Error', message = String(thrown) } = thrown instanceof Error ? thrown : {};
  return {
    code: 'UNEXPECTED',
    name,
    message,
    next: 'this is a fault of millrace, or of the agents: MILLRACE_DEBUG=1 shows where',
    exit: exitCodes.bug,
  };
}

/** The library says in one sentence what is wrong and what to do; here the latter stands on a line of its own. */
function withoutNext({ message, next }: MillraceError): string {
  const end = `; ${next}`;
  return next !== '' && message.endsWith(end) ? message.slice(0, -end.length) : message;
}

/** What to type where the library says what to call. */
const nexts: Readonly<Record<string, (error: MillraceError, millrace: string) => string>> = {
  UNKNOWN_RUN: (error, millrace) => `${missingText(error)}${millrace} list names those that are there`,
  UNKNOWN_STEP: (error, millrace) => `${commandOn(error, millrace, 'show', '--tree')} names its steps`,
  EVENTS_NOT_KEPT: (error, millrace) =>
    `an earlier version wrote it, or its store keeps none; ${commandOn(error, millrace, 'show')} tells how it stands`,
  NOT_WAITING: (error, millrace) => `${commandOn(error, millrace, 'show')} names the steps that wait`,
  RUN_ENDED: (error, millrace) =>
    error.message.startsWith('Cannot cancel')
      ? `${commandOn(error, millrace, 'show')} says how`
      : `${commandOn(error, millrace, 'fork')} makes a new run of it`,
  DEFINITION_MISMATCH: (error, millrace) =>
    `${commandOn(error, millrace, 'resume', '--on-mismatch actual')} keeps what does not depend on the change; ` +
    `${millrace} run <agent> begins a new run`,
  INPUT_MISMATCH: (error, millrace) =>
    `name another one with --id; ${commandOn(error, millrace, 'resume')} goes on with the input that it has`,
  RUN_EXISTS: () => 'name another one with --id, or delete the old run',
  STORE_CORRUPT: (_, millrace) =>
    `${millrace} doctor names all damage; ${millrace} salvage <folder> <target> copies what is intact`,
  STORE_FORMAT: () => 'update millrace: npm i millrace@latest',
  STORE_LOCKED: () => 'wait for its end, or let it serve() its runs; then type this again',
  STORE_NOT_SERVED: (error) =>
    'pid' in error
      ? 'end that process, or let it serve() its runs; then type this again'
      : 'name the agents with --agents, or start the app that serves them',
};

/** What a name that stands for a run could have meant. */
function missingText(error: MillraceError): string {
  const { runId: run } = error as { readonly runId?: unknown };
  return run === '@failed' ? 'no run has failed; ' : run === '@last' ? 'no run has begun; ' : '';
}

/** A command about the run that an error names. */
function commandOn(error: MillraceError, millrace: string, command: string, options = ''): string {
  const { runId } = error as { readonly runId?: unknown };
  const words = [...millrace.split(' '), command];
  if (typeof runId === 'string') return commandText(words, [printable(runId)], options);
  return [shellText(words), '<run>', options].filter((part) => part !== '').join(' ');
}
