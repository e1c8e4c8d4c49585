import { readFileSync } from 'node:fs';

import type { Store } from '../lib/store/store';
import { lowdbStore } from '../lib/store/folder/lowdbStore';
import { loadModule } from './agentFiles';
import { usageError } from './commandError';
import type { Output } from './view/output';
import { commandText, shellText } from '../lib/report/shellText';
import type { Settings } from './settings';
import { checkStoreFolder, namesAgents, settingsOf } from './settings';

/** What was typed beside the command: its arguments and options, as commander gives them. */
export interface TypedCommand {
  readonly args: readonly unknown[];
  readonly options: Readonly<Record<string, unknown>>;
}

/** A command as far as a shell completes it. */
export interface CompletedCommand {
  readonly name: string;
  readonly options: readonly { readonly flags: string }[];
  readonly takesAgents?: boolean;
}

/** What a command works with. */
export interface CommandContext extends TypedCommand {
  readonly output: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where relative paths begin. */
  readonly folder: string;
  /** All commands there are. */
  readonly commands: readonly CompletedCommand[];
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Carries a command out. Gives the exit code. */
export type Command = (context: CommandContext) => Promise<number>;

/** What was typed and configured. */
export function settingsFor(
  { options, env, folder }: CommandContext,
  more: { readonly needsAgents?: boolean; readonly store?: unknown } = {},
): Promise<Settings> {
  const store = textOf(more.store) ?? textOf(options['store']);
  // As a script types it whose variable is not set: that would be the folder in which it is typed.
  if (store === '')
    throw usageError('Cannot tell which store is meant: its name is empty', 'name its folder');
  const agents = options['agents'] as readonly string[] | undefined;
  return settingsOf({ store, agents }, env, folder, loadModule, more);
}

/**
 * Opens the store that is meant while something is done with it.
 *
 * @throws CommandError STORE_NOT_FOUND
 */
export async function withStore<T>(
  context: CommandContext,
  use: (store: Store, settings: Settings) => Promise<T>,
  more: { readonly needsAgents?: boolean; readonly store?: unknown } = {},
): Promise<T> {
  const settings = await settingsFor(context, more);
  checkStoreFolder(settings);
  const store = lowdbStore(settings.store);
  try {
    return await use(store, settings);
  } finally {
    await store.close();
  }
}

/** A command to type, with the store and the agents as they were typed. @param options - Of its own, with their values. */
export function commandLine(
  settings: Pick<Settings, 'program' | 'storeTyped' | 'agentsTyped' | 'agentFiles' | 'agents'>,
  command: string,
  operands: readonly string[],
  {
    needsAgents = false,
    options = [],
  }: { readonly needsAgents?: boolean; readonly options?: readonly string[] } = {},
): string {
  const { program, storeTyped, agentsTyped } = settings;
  const isConfigured = agentsTyped.length === 0 && namesAgents(settings);
  const own = shellText([...options, ...(storeTyped === undefined ? [] : ['--store', storeTyped])]);
  const agents = shellText(agentsTyped.flatMap((file) => ['--agents', file]));
  const more = needsAgents && !isConfigured ? [own, agents === '' ? '--agents <file>' : agents] : [own];
  return commandText([...program, command], operands, more.filter((part) => part !== '').join(' '));
}

/** An option or an argument that is a text. */
export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** A whole number of 0 or more. @throws CommandError USAGE */
export function countOf(value: unknown, flag: string): number | undefined {
  const text = textOf(value);
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw usageError(`Cannot take ${flag} ${text}: it is no whole number`, `give one, such as ${flag} 20`);
}

/** Milliseconds of a text such as `90s`, `1h`, `30d`. @throws CommandError USAGE */
export function durationOf(value: unknown, flag: string): number | undefined {
  const text = textOf(value);
  if (text === undefined) return undefined;
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d|w)$/.exec(text) ?? [];
  const factor = UNITS[unit];
  if (factor !== undefined) return Number(number) * factor;
  throw usageError(
    `Cannot take ${flag} ${text}: it is no length of time`,
    `give one, such as ${flag} 90s, 1h or 30d`,
  );
}

const UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** The moment that an option means: a length of time ago, or a date; epoch milliseconds. @throws CommandError USAGE */
export function momentOf(value: unknown, flag: string): number | undefined {
  const text = textOf(value);
  if (text === undefined) return undefined;
  const date = /^\d{4}-/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? Date.now() - (durationOf(text, flag) ?? 0) : date;
}

/** The bytes of a file that was named, or of standard input by its number. @throws CommandError USAGE */
export function fileBytes(file: string | 0, what: string, next: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const place = file === 0 ? 'standard input' : `"${file}"`;
    throw usageError(`Cannot read ${what} from ${place}: ${(error as Error).message}`, next);
  }
}

/** A JSON value that was typed. @throws CommandError USAGE */
export function jsonOf(text: string, what: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw usageError(
      `Cannot read ${what}: ${(error as Error).message}`,
      `give JSON, such as '{"ok":true}' or '"text"'`,
    );
  }
}
