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
 * can be read.
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
  const rows = await query(
    admin,
    `select "index", entry_type, entry_lite_json, appended_at from sys_journal where id = '${id}'`,
  );
  const entries = rows
    .map((row) => ({
      index: Number(row['index']),
      type: String(row['entry_type']),
      lite: parsed(row['entry_lite_json']),
      at: Date.parse(String(row['appended_at'])),
    }))
    .sort((one, other) => one.index - other.index);
  const whole = (index: number): Promise<unknown> => entryAt(admin, id, index);
  const first = entries[0];
  const request = first && payload(within(await whole(first.index), 'Command', 'Input', 'payload'));
  if (!isRecord(request)) return undefined;
  const calls: RecordedCall[] = [];
  const begun = new Map<number, { readonly path: string; readonly startedAt: number }>();
  for (const { index, type, lite, at } of entries) {
    if (type === 'Command: Run') {
      const { completion_id: id, name } = recordIn(lite, 'Command', 'Run');
      begun.set(Number(id), { path: String(name), startedAt: at });
    } else if (type === 'Command: Call') {
      const { result_completion_id: id, request: asked } = recordIn(await whole(index), 'Command', 'Call');
      const step = payload(within(asked, 'parameter')) as Partial<StepRequest> | undefined;
      if (typeof step?.path === 'string') begun.set(Number(id), { path: step.path, startedAt: at });
    } else if (type === 'Notification: Run' || type === 'Notification: Call') {
      const call = begun.get(Number(within(lite, 'Notification', 'id', 'CompletionId')));
      if (call === undefined || !isUntold(call.path)) continue;
      const kind = type.slice('Notification: '.length);
      const given = within(await whole(index), 'Notification', 'Completion', kind, 'result', 'Success');
      const result = payload(given);
      // The admin may not say when a call began.
      const startedAt = Number.isNaN(call.startedAt) && isDone(result) ? result.at : call.startedAt;
      if (isDone(result)) calls.push({ path: call.path, startedAt, result });
    }
  }
  return { request: request as unknown as StartRequest, calls };
}

/** One entry as a whole. One at a time, because one may be as large as a message. */
async function entryAt(admin: Ingress, id: string, index: number): Promise<unknown> {
  const [row] = await query(
    admin,
    `select entry_json from sys_journal where id = '${id}' and "index" = ${index}`,
  );
  return parsed(row?.['entry_json']);
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
