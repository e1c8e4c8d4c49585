import type { Observable } from 'rxjs';
import { defaultIfEmpty, EMPTY, firstValueFrom, take, timeout } from 'rxjs';

import type { RunEvent } from '../../lib/model/event';
import type { RunState } from '../../lib/model/state';
import type { KeptEvent } from '../../lib/store/store';
import { malformedQuery } from './call';
import type { ValueKind } from './contract';

const kinds: Readonly<Record<ValueKind, true>> = {
  input: true,
  output: true,
  error: true,
  request: true,
  answer: true,
  data: true,
  kept: true,
};

/** @throws HttpRequestError when there is no such kind. */
export function asKind(text: string): ValueKind {
  if (Object.hasOwn(kinds, text)) return text as ValueKind;
  throw malformedQuery('of', text, Object.keys(kinds).join(', '));
}

/** A value of a step, or of the run with the empty path; undefined where there is none. */
export function valueIn({ steps, ...run }: RunState, path: string, of: ValueKind): unknown {
  if (path === '') return of === 'input' || of === 'output' || of === 'error' ? run[of] : undefined;
  const row = steps.get(path);
  if (row === undefined || of === 'data') return undefined;
  return of === 'answer' ? row.answer?.value : (row[of] ?? undefined);
}

/** For so long nothing has come of a run under way: it has no such event yet. */
const PATIENCE_MS = 1_500;

/** A value of one kept event: the first of these, which may be yet to come while the run is under way. */
export async function valueAt(
  events: Observable<KeptEvent>,
  path: string,
  of: ValueKind,
  isUnderWay: boolean,
): Promise<unknown> {
  const inTime = isUnderWay ? events.pipe(timeout({ first: PATIENCE_MS, with: () => EMPTY })) : events;
  const kept = await firstValueFrom(inTime.pipe(take(1), defaultIfEmpty(undefined)));
  return kept && valueOf(kept.event, path, of);
}

function valueOf(event: RunEvent, path: string, of: ValueKind): unknown {
  if (event.type === 'run.imported') return valueIn(event.state, path, of);
  const fields: Readonly<Record<string, unknown>> = { ...event };
  if (('path' in event ? event.path : '') !== path) return undefined;
  if (event.type === 'step.answered') return of === 'answer' ? event.value : undefined;
  if (of === 'data') return event.type === 'step.emitted' ? event.value : fields['data'];
  return fields[of];
}
