#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { CommanderError } from 'commander';

import { commandSpecs } from './commandSpecs';
import { exitCodes } from './exitCodes';
import { processOutput } from './view/output';
import type { Output } from './view/output';
import type { Parsed } from './program';
import { programOf } from './program';
import { langOf } from './view/words';

/** What `--json` and `--lang` say, before it is known whether the rest can be read. */
const typed = process.argv.slice(2);
const isJson = typed.includes('--json');
const lang = langOf(optionIn(typed, '--lang'), process.env) ?? 'en';
const { stdout, stderr } = process;
const write = resultWriter();
const output = processOutput({
  lang,
  isJson,
  env: process.env,
  stdout: { write, isTTY: stdout.isTTY, columns: stdout.columns },
  stderr,
});
void main();

async function main(): Promise<void> {
  // What is said beside the result need not be heard.
  stderr.on('error', () => undefined);
  stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    // A reader that has left, such as `head`, wants no more: that is no error.
    if (code === 'EPIPE') process.exit(0);
    output.tell(
      `✘ Cannot write to standard output: ${message}\n  free some space, or write to another place`,
    );
    process.exit(exitCodes.busy);
  });
  let parsed: Parsed | undefined;
  let refused = 'millrace';
  try {
    const found = (command: Parsed): void => {
      parsed = command;
    };
    const out = (text: string): void => {
      write(text);
    };
    const program = programOf(lang, versionOf(), found, {
      out,
      refused: (command) => {
        refused = command;
      },
    });
    // Without a command the help is what is wanted.
    program.parse(typed.length === 0 ? ['--help'] : typed, { from: 'user' });
  } catch (error) {
    end(usageExit(error, refused, output));
    return;
  }
  end(parsed === undefined ? 0 : await carryOut(parsed));
}

async function carryOut(parsed: Parsed): Promise<number> {
  const interrupted = new AbortController();
  listenToInterrupts(interrupted);
  const isStuck = stopsWhenStuck(interrupted);
  const { reportError } = await import('./errorReport.js');
  try {
    const command = await (
      commandSpecs.find(({ name }) => name === parsed.name) as (typeof commandSpecs)[0]
    ).load();
    const exit = await command({
      ...parsed,
      output,
      env: process.env,
      folder: process.cwd(),
      commands: commandSpecs,
      signal: interrupted.signal,
    });
    // What it has said of the run stands.
    if (isStuck()) return await reportStuck({ ...output, isJson: false });
    return interrupted.signal.aborted ? INTERRUPTED : exit;
  } catch (error) {
    if (isStuck()) return reportStuck(output);
    if (interrupted.signal.aborted) return INTERRUPTED;
    if (process.env['MILLRACE_DEBUG'] !== undefined) output.tell((error as Error).stack ?? String(error));
    return reportError(error, output, process.env);
  }
}

/**
 * Ends a command as Ctrl-C does when nothing is left in the process that could go on: Node would end it with 0. Gives whether that has
 * happened.
 */
function stopsWhenStuck(controller: AbortController): () => boolean {
  let isStuck = false;
  process.on('beforeExit', () => {
    if (isStuck) void reportStuck(output).then(end);
    isStuck = true;
    controller.abort();
    // Where that leads to nothing, this is called once more.
    setTimeout(() => undefined);
  });
  return () => isStuck;
}

async function reportStuck(to: Output): Promise<number> {
  const [{ CommandError }, { reportError }] = await Promise.all([
    import('./commandError.js'),
    import('./errorReport.js'),
  ]);
  const next = 'mend the agent whose Promise never settles';
  const stuck = new CommandError('STUCK', 'Cannot go on: what is waited for can never come', next);
  return reportError(stuck, to, process.env);
}

const INTERRUPTED = 130;

/** Writes to standard output. With `--json` nobody else does: what the agents of the user print goes to standard error. */
function resultWriter(): (text: string, done?: () => void) => boolean {
  if (!isJson) return (text, done) => stdout.write(text, done);
  const own = stdout.write.bind(stdout) as (text: string, done?: () => void) => boolean;
  stdout.write = ((...args: Parameters<typeof stderr.write>) => stderr.write(...args)) as typeof stdout.write;
  return own;
}

/** The first Ctrl-C lets a command end as it should, within a time; the second ends the process. */
function listenToInterrupts(controller: AbortController): void {
  const onInterrupt = (): void => {
    if (controller.signal.aborted) end(INTERRUPTED);
    controller.abort();
    setTimeout(() => {
      end(INTERRUPTED);
    }, PATIENCE_MS).unref();
  };
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onInterrupt);
}

const PATIENCE_MS = 5_000;

/** Help and version are no errors; all else that commander says is wrong usage. */
function usageExit(error: unknown, command: string, { tell, json }: Output): number {
  if (!(error instanceof CommanderError)) throw error;
  if (error.exitCode === 0) return 0;
  const isBare = error.code === 'commander.help';
  const message = isBare ? 'no command was typed' : error.message.replace(/^error: /, '');
  const next = `${command} --help shows what can be typed`;
  if (isJson) json({ error: { code: 'USAGE', name: 'CommandError', message, next } });
  else tell(`✘ ${message}\n  ${next}`);
  return 64;
}

/** Ends the process when all that was written has gone out; what the agents of the user keep open does not count. */
function end(exit: number): void {
  if (stderr.isTTY) stderr.write('\u001b[?25h');
  write('', () => {
    // Why something did not go out is told a moment after its write.
    stderr.write('', () => setImmediate(() => process.exit(exit)));
  });
}

function versionOf(): string {
  const { version } = JSON.parse(readFileSync(join(__dirname, '..', '..', 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  return version;
}

function optionIn(args: readonly string[], flag: string): string | undefined {
  const index = args.findIndex((arg) => arg === flag || arg.startsWith(`${flag}=`));
  const arg = args[index];
  return arg === undefined ? undefined : arg === flag ? args[index + 1] : arg.slice(flag.length + 1);
}
