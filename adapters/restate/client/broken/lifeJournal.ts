import type { Ingress } from '../../protocol/ingress';
import type { CallResult, StartRequest, StepRequest } from '../../protocol/protocol';
import { query } from '../askAdmin';
import { lifeTrouble } from '../stuckLives';

/** What a function has given, as the journal of a life has it. */
export interface RecordedCall {
  /** Path of the step. */
  readonly path: string;
  readonly result: Extract<CallResult, { readonly kind: 'done' }>;
  /** Epoch milliseconds at which it was called. */
  readonly startedAt: number;
}

/** The journal of a life, as far as another life can use it. */
export interface LifeJournal {
  /** With what the life was begun. */
  readonly request: StartRequest;
  /** What functions have given, in the order in which they did. */
  readonly calls: readonly RecordedCall[];
}

/**
 * Reads the journal of a life by the admin: what nobody has been told stands only there. Undefined where the server keeps none that
 * can be read. However many calls there are, it asks as often as what is wanted does not fit in one answer.
 *
 * @param isUntold - Whether the result of the step at this path is wanted: what was told is not read once more.
 * @throws What asking the admin throws.
 */
export async function lifeJournal(
  admin: Ingress,
  service: string,
  key: string,
  isUntold: (path: string) => boolean,
): Promise<LifeJournal | undefined> {
  const id = (await lifeTrouble(admin, service, key))?.id;
  if (id === undefined) return undefined;
  const entries = await entriesOf(admin, id);
  const request = entries[0] && requestIn(entries[0].whole);
  if (request === undefined) return undefined;
  const commands = await wholeOf(admin, id, entries.filter(isCall));
  const begun = new Map<number, BegunCall>();
  const wanted: (Entry & { readonly call: BegunCall })[] = [];
  for (const entry of entries) {
    if (isCommand(entry)) {
      const { completion, path } = isCall(entry) ? calledIn(commands.get(entry.index)) : ranIn(entry.lite);
      if (path !== undefined) begun.set(completion, { path, startedAt: entry.at });
      continue;
    }
    const call = begun.get(Number(within(entry.lite, 'Notification', 'id', 'CompletionId')));
    if (call !== undefined && isUntold(call.path)) wanted.push({ ...entry, call });
  }
  const results = await wholeOf(admin, id, wanted);
  const calls = wanted.flatMap(({ index, type, call }): RecordedCall[] => {
    const kind = type.slice('Notification: '.length);
    const given = within(results.get(index), 'Notification', 'Completion', kind, 'result', 'Success');
    const result = payload(given);
    if (!isDone(result)) return [];
    // The admin may not say when a call began.
    return [
      { path: call.path, startedAt: Number.isNaN(call.startedAt) ? result.at : call.startedAt, result },
    ];
  });
  return { request, calls };
}

/**
 * With what a life was begun; undefined where the server does not keep that.
 *
 * @param id - Of its invocation, where that is known.
 * @throws What asking the admin throws.
 */
export async function lifeRequest(
  admin: Ingress,
  service: string,
  key: string,
  id?: string,
): Promise<StartRequest | undefined> {
  const known = id ?? (await lifeTrouble(admin, service, key))?.id;
  if (known === undefined) return undefined;
  const [row] = await query(
    admin,
    `select entry_json from sys_journal where id = '${known}' and "index" = 0`,
  );
  return requestIn(parsed(row?.['entry_json']));
}

interface BegunCall {
  readonly path: string;
  readonly startedAt: number;
}

/** An entry of a journal that a call may stand in. */
interface Entry {
  readonly index: number;
  readonly type: string;
  readonly lite: unknown;
  readonly at: number;
  /** In bytes. */
  readonly size: number;
  /** With all that it carries; only the first one is read so. */
  readonly whole: unknown;
}

/** What calls stand in, and in the first entry with what the life was begun. */
const TYPES = ['Command: Input', 'Command: Run', 'Command: Call', 'Notification: Run', 'Notification: Call'];

/** The entries of a journal in their order. */
async function entriesOf(admin: Ingress, id: string): Promise<readonly Entry[]> {
  const types = TYPES.map((type) => `'${type}'`).join(', ');
  const rows = await query(
    admin,
    `select "index", entry_type, entry_lite_json, appended_at, raw_length, case when "index" = 0 then entry_json end as entry_json from sys_journal where id = '${id}' and entry_type in (${types})`,
  );
  return rows
    .map((row) => ({
      index: Number(row['index']),
      type: String(row['entry_type']),
      lite: parsed(row['entry_lite_json']),
      at: Date.parse(String(row['appended_at'])),
      size: Number(row['raw_length']),
      whole: parsed(row['entry_json']),
    }))
    .sort((one, other) => one.index - other.index);
}

/** So many bytes of entries are read at once, four times as many as JSON; one alone may be as large as a message. */
const MOST_BYTES = 2_000_000;
/** So many entries at once, so that no question is too long. */
const MOST_ENTRIES = 1_000;

/** These entries as a whole, by their indices. */
async function wholeOf(
  admin: Ingress,
  id: string,
  entries: readonly Entry[],
): Promise<ReadonlyMap<number, unknown>> {
  const whole = new Map<number, unknown>();
  for (let at = 0; at < entries.length;) {
    const asked: number[] = [];
    for (let bytes = 0; at < entries.length && asked.length < MOST_ENTRIES; at += 1) {
      const { index, size } = entries[at] as Entry;
      bytes += size;
      if (asked.length > 0 && bytes > MOST_BYTES) break;
      asked.push(index);
    }
    const rows = await query(
      admin,
      `select "index", entry_json from sys_journal where id = '${id}' and "index" in (${asked.join(', ')})`,
    );
    for (const row of rows) whole.set(Number(row['index']), parsed(row['entry_json']));
  }
  return whole;
}

function isCommand({ type }: Entry): boolean {
  return type.startsWith('Command: ');
}

function isCall({ type }: Entry): boolean {
  return type === 'Command: Call';
}

interface Command {
  readonly completion: number;
  /** Path of the step that is called; undefined for any other command. */
  readonly path: string | undefined;
}

/** The call of a function in the process of the life. */
function ranIn(lite: unknown): Command {
  const { completion_id: completion, name } = recordIn(lite, 'Command', 'Run');
  return { completion: Number(completion), path: typeof name === 'string' ? name : undefined };
}

/** The call of a function in another process. */
function calledIn(whole: unknown): Command {
  const { result_completion_id: completion, request } = recordIn(whole, 'Command', 'Call');
  const step = payload(within(request, 'parameter')) as Partial<StepRequest> | undefined;
  return { completion: Number(completion), path: typeof step?.path === 'string' ? step.path : undefined };
}

function requestIn(whole: unknown): StartRequest | undefined {
  const request = payload(within(whole, 'Command', 'Input', 'payload'));
  return isRecord(request) ? (request as unknown as StartRequest) : undefined;
}

/** Other entries have names like steps: decisions, and questions to the cache. */
function isDone(value: unknown): value is RecordedCall['result'] {
  return isRecord(value) && value['kind'] === 'done' && typeof value['at'] === 'number';
}

/** What an entry carries as bytes: JSON. */
function payload(bytes: unknown): unknown {
  if (!Array.isArray(bytes)) return undefined;
  return parsed(Buffer.from(bytes as readonly number[]).toString());
}

function parsed(text: unknown): unknown {
  if (typeof text !== 'string') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // Of somebody else, or of a version of the server that writes it otherwise.
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function within(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce((part, name) => (isRecord(part) ? part[name] : undefined), value);
}

function recordIn(value: unknown, ...names: readonly string[]): Readonly<Record<string, unknown>> {
  const part = within(value, ...names);
  return isRecord(part) ? part : {};
}
