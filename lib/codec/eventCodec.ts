import * as t from 'io-ts';

import type { RunEvent as AnyRunEvent, TimeLimit } from '../model/event';
import { Count, Finite, Json, listOf, Moment, oneOf } from './plainCodecs';
import type { Optional, Required } from './recordCodec';
import { recordCodec } from './recordCodec';
import { Failure, GivenBy, Plan, SharedPatches, Unplanned, Usage, Tags } from './stateCodec';

/** An event that stands in a journal as it is. */
export type JournaledEvent = Exclude<AnyRunEvent, { readonly type: 'run.imported' }>;

/** What is read back from the journal: every event the store keeps, by its `type`. */
export const RunEvent: t.Type<JournaledEvent> = byType();

function byType(): t.Type<JournaledEvent> {
  const codecOf = (value: unknown): t.Type<JournaledEvent> | undefined => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, 'type')) return undefined;
    const { type } = value as { readonly type: unknown };
    return typeof type === 'string' ? codecs.get(type) : undefined;
  };
  return new t.Type<JournaledEvent>(
    'RunEvent',
    (value): value is JournaledEvent => codecOf(value)?.is(value) ?? false,
    (value, context) =>
      codecOf(value)?.validate(value, context) ?? t.failure(value, context, 'unknown type of event'),
    t.identity,
  );
}

const occurrence = { runId: t.string, seq: Count, at: Moment };
const ofStep = { ...occurrence, path: t.string };
const ofAttempt = { ...ofStep, agent: t.string, attempt: Count };

const Level = oneOf({ DEBUG: true, INFO: true, WARNING: true, ERROR: true, CRITICAL: true });

const all: { readonly [K in JournaledEvent['type']]: t.Type<Extract<JournaledEvent, { readonly type: K }>> } =
  {
    'run.started': event(
      'run.started',
      { ...occurrence, name: t.string, plan: Plan },
      { incarnation: t.string, tags: Tags, input: Json, unplanned: Unplanned, shared: Json },
    ),
    'run.resumed': event(
      'run.resumed',
      { ...occurrence, life: Count, reused: Count },
      {
        plan: Plan,
        unplanned: Unplanned,
        name: t.string,
        input: Json,
        dropped: listOf(t.string),
        opened: listOf(t.string),
        shared: Json,
      },
    ),
    'run.completed': event(
      'run.completed',
      { ...occurrence, duration: Finite },
      { output: Json, givenBy: GivenBy, critical: t.boolean, replayed: t.boolean, usage: Usage },
    ),
    'run.failed': event(
      'run.failed',
      { ...occurrence, error: Failure, duration: Finite },
      { others: listOf(t.string), usage: Usage },
    ),
    'run.suspended': event(
      'run.suspended',
      { ...occurrence, waiting: listOf(t.string), duration: Finite },
      { reason: t.string, usage: Usage },
    ),
    'run.cancelled': event(
      'run.cancelled',
      { ...occurrence, duration: Finite },
      { reason: t.string, error: Failure, usage: Usage },
    ),
    'step.started': event('step.started', ofAttempt, {
      critical: t.boolean,
      inputHash: t.string,
      dropped: listOf(t.string),
      caught: listOf(t.string),
      limitAt: Moment,
      alone: t.literal(true),
      joined: listOf(t.string),
      limitKey: t.string,
      input: Json,
      shared: Json,
    }),
    'step.emitted': event('step.emitted', { ...ofAttempt, index: Count }, { value: Json }),
    'step.logged': event(
      'step.logged',
      { ...ofStep, level: Level, message: t.string },
      { data: Json as t.Type<object> },
    ),
    'step.retrying': event(
      'step.retrying',
      { ...ofAttempt, error: Failure, delayMs: Finite },
      { reset: listOf(t.string), usage: Usage },
    ),
    'step.completed': event(
      'step.completed',
      { ...ofAttempt, duration: Finite },
      {
        output: Json,
        givenBy: GivenBy,
        partials: Count,
        kept: listOf(Json),
        cached: t.boolean,
        usage: Usage,
        updates: SharedPatches,
        updated: t.string,
      },
    ),
    'step.failed': event(
      'step.failed',
      { ...ofAttempt, error: Failure, duration: Finite },
      { contained: t.literal(true), exposes: listOf(t.string), usage: Usage },
    ),
    'step.skipped': event(
      'step.skipped',
      {
        ...ofStep,
        agent: t.string,
        reason: oneOf({ when: true, lost: true, upstream: true, abandoned: true }),
      },
      { output: Json },
    ),
    'step.cancelled': event('step.cancelled', ofStep, { usage: Usage }),
    'step.suspended': event('step.suspended', ofAttempt, {
      request: Json,
      deadline: Moment,
      asking: t.string,
      signal: t.string,
      limits: listOf(recordCodec<TimeLimit>('TimeLimit', { path: t.string, limitAt: Moment }, {})),
    }),
    'step.answered': event(
      'step.answered',
      { ...ofStep, by: oneOf({ answer: true, deadline: true }) },
      { value: Json, signalId: t.string },
    ),
  };

const codecs = new Map<string, t.Type<JournaledEvent>>(
  Object.entries(all) as [string, t.Type<JournaledEvent>][],
);

type Body<K extends JournaledEvent['type']> = Omit<Extract<JournaledEvent, { readonly type: K }>, 'type'>;

function event<K extends JournaledEvent['type']>(
  type: K,
  required: Required<Body<K>>,
  optional: Optional<Body<K>>,
): t.Type<Extract<JournaledEvent, { readonly type: K }>> {
  // The type has chosen the codec: it need not be checked once more.
  return recordCodec<Body<K>>(type, required, optional) as unknown as t.Type<
    Extract<JournaledEvent, { readonly type: K }>
  >;
}
