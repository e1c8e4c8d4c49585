import type * as t from 'io-ts';

import type { RunEvent as AnyRunEvent, TimeLimit } from '../model/event';
import { asCodec, failure, identity } from './codec';
import { Count, Finite, Flag, Json, listOf, Moment, oneOf, Text, True } from './plainCodecs';
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
  return asCodec<JournaledEvent>(
    'RunEvent',
    (value): value is JournaledEvent => codecOf(value)?.is(value) ?? false,
    (value, context) =>
      codecOf(value)?.validate(value, context) ?? failure(value, context, 'unknown type of event'),
    identity,
  );
}

const occurrence = { runId: Text, seq: Count, at: Moment };
const ofStep = { ...occurrence, path: Text };
const ofAttempt = { ...ofStep, agent: Text, attempt: Count };

const Level = oneOf({ DEBUG: true, INFO: true, WARNING: true, ERROR: true, CRITICAL: true });

const all: { readonly [K in JournaledEvent['type']]: t.Type<Extract<JournaledEvent, { readonly type: K }>> } =
  {
    'run.started': event(
      'run.started',
      { ...occurrence, name: Text, plan: Plan },
      { incarnation: Text, tags: Tags, input: Json, unplanned: Unplanned, shared: Json },
    ),
    'run.resumed': event(
      'run.resumed',
      { ...occurrence, life: Count, reused: Count },
      {
        plan: Plan,
        unplanned: Unplanned,
        name: Text,
        input: Json,
        dropped: listOf(Text),
        opened: listOf(Text),
        shared: Json,
      },
    ),
    'run.completed': event(
      'run.completed',
      { ...occurrence, duration: Finite },
      { output: Json, givenBy: GivenBy, critical: Flag, replayed: Flag, usage: Usage },
    ),
    'run.failed': event(
      'run.failed',
      { ...occurrence, error: Failure, duration: Finite },
      { others: listOf(Text), usage: Usage },
    ),
    'run.suspended': event(
      'run.suspended',
      { ...occurrence, waiting: listOf(Text), duration: Finite },
      { reason: Text, usage: Usage },
    ),
    'run.cancelled': event(
      'run.cancelled',
      { ...occurrence, duration: Finite },
      { reason: Text, error: Failure, usage: Usage },
    ),
    'step.started': event('step.started', ofAttempt, {
      critical: Flag,
      inputHash: Text,
      dropped: listOf(Text),
      caught: listOf(Text),
      limitAt: Moment,
      alone: True,
      joined: listOf(Text),
      limitKey: Text,
      input: Json,
      shared: Json,
    }),
    'step.emitted': event('step.emitted', { ...ofAttempt, index: Count }, { value: Json }),
    'step.logged': event(
      'step.logged',
      { ...ofStep, level: Level, message: Text },
      { data: Json as t.Type<object> },
    ),
    'step.retrying': event(
      'step.retrying',
      { ...ofAttempt, error: Failure, delayMs: Finite },
      { reset: listOf(Text), usage: Usage },
    ),
    'step.completed': event(
      'step.completed',
      { ...ofAttempt, duration: Finite },
      {
        output: Json,
        givenBy: GivenBy,
        partials: Count,
        kept: listOf(Json),
        cached: Flag,
        usage: Usage,
        updates: SharedPatches,
        updated: Text,
      },
    ),
    'step.failed': event(
      'step.failed',
      { ...ofAttempt, error: Failure, duration: Finite },
      { contained: True, exposes: listOf(Text), usage: Usage },
    ),
    'step.skipped': event(
      'step.skipped',
      {
        ...ofStep,
        agent: Text,
        reason: oneOf({ when: true, lost: true, upstream: true, abandoned: true }),
      },
      { output: Json },
    ),
    'step.cancelled': event('step.cancelled', ofStep, { usage: Usage }),
    'step.suspended': event('step.suspended', ofAttempt, {
      request: Json,
      deadline: Moment,
      asking: Text,
      signal: Text,
      limits: listOf(recordCodec<TimeLimit>('TimeLimit', { path: Text, limitAt: Moment }, {})),
    }),
    'step.answered': event(
      'step.answered',
      { ...ofStep, by: oneOf({ answer: true, deadline: true }) },
      { value: Json, signalId: Text },
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
