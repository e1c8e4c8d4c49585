import { createHash } from 'node:crypto';

import type { RunEvent } from '../../lib/model/event';
import type { ErrorRecord, Failure } from '../../lib/model/failure';
import { MillraceError } from '../../lib/model/failure';
import type { Plan } from '../../lib/model/plan';
import type { Secrecy } from '../../lib/model/secrets/secretNames';
import { secrecyOf } from '../../lib/model/secrets/secretNames';
import { hideSecrets, REDACTED } from '../../lib/model/secrets/secretTexts';
import { tidy, WHOLE } from '../../lib/model/secrets/tidy';
import type { SharedPatch } from '../../lib/model/shared';
import type { RunState } from '../../lib/model/state';
import type { StepResult } from '../../lib/model/stepResult';
import type { ArchivedRun } from '../../lib/store/runArchive';
import type { RunSummary } from '../../lib/store/store';
import type { StreamSummary } from '../../lib/store/streamRest';
import type { CutValue, StateReply, ValueKind } from './contract';

/** Longest value that goes out with an event or a state, in bytes of its JSON. */
export const LARGEST_VALUE = 65_536;
const PREVIEW = 512;

/** What is kept out besides what is known to be secret. */
export interface Redact {
  /** Names under which values are secret, in upper or lower case. */
  readonly keys?: readonly string[];
}

const UNFORESEEN: ErrorRecord = {
  code: 'INTERNAL',
  name: 'Error',
  message: 'Cannot answer the request: something went wrong in the server',
  next: 'look into the log of the server',
};

interface Sharing {
  readonly shared?: unknown;
  readonly sharedInitial?: unknown;
  readonly updates?: readonly SharedPatch[];
  readonly updated?: string;
}

type Change = (value: unknown, path: string, of: ValueKind) => unknown;

/**
 * What goes out: without secrets, and values above 64 kB cut. A class, because everything that goes out asks the same few names.
 *
 * Paths of steps stay as they are, unless they hold a secret: then a part of its hash stands in its place, so that steps stay apart.
 */
export class Shown {
  readonly #secrecyOf: (key: string) => Secrecy;
  readonly #plans = new WeakMap<Plan, Plan>();

  constructor({ keys = [] }: Redact = {}) {
    const more = new Set(keys.map((key) => key.toLowerCase()));
    this.#secrecyOf = (key) => (more.has(key.toLowerCase()) ? 'always' : secrecyOf(key));
  }

  /** A value of the user's. */
  value(value: unknown): unknown {
    return tidy(value, this.#secrecyOf, WHOLE);
  }

  /** A value of the user's, or what takes its place when it is long. */
  short(value: unknown, path: string, of: ValueKind, offset?: number): unknown {
    return cut(this.value(value), path, of, offset);
  }

  text(text: string): string {
    return hideSecrets(text);
  }

  path(path: string): string {
    if (hideSecrets(path) === path) return path;
    return path
      .split('/')
      .map((part) => hideSecrets(part).replaceAll(REDACTED, `redacted-${hashOf(part)}`))
      .join('/');
  }

  plan(plan: Plan): Plan {
    let shown = this.#plans.get(plan);
    if (shown === undefined) {
      shown = plan.some((step) => hideSecrets(JSON.stringify(step)) !== JSON.stringify(step))
        ? plan.map((step) => ({
            ...step,
            path: this.path(step.path),
            agent: this.text(step.agent),
            sources: step.sources.map((source) => this.path(source)),
            ...(step.reads !== undefined && { reads: this.text(step.reads) }),
            ...(step.result !== undefined && { result: step.result.map((source) => this.path(source)) }),
          }))
        : plan;
      this.#plans.set(plan, shown);
    }
    return shown;
  }

  failure(failure: Failure): Failure {
    const { name, message, path, stack, cause, errors } = failure;
    return {
      ...failure,
      name: this.text(name),
      message: this.text(message),
      ...(path !== undefined && { path: this.path(path) }),
      // What was told in this process holds it back from JSON.
      ...(Object.prototype.propertyIsEnumerable.call(failure, 'stack') &&
        stack !== undefined && { stack: this.text(stack) }),
      ...(cause !== undefined && { cause: this.failure(cause) }),
      ...(errors !== undefined && { errors: errors.map((error) => this.failure(error)) }),
    };
  }

  /** An error as it is told. Of one that is not of this package nothing is: it may say anything. */
  record(error: unknown): ErrorRecord {
    if (!(error instanceof MillraceError)) return UNFORESEEN;
    const { code, name, message, next } = error.toJSON();
    return { code, name, message: this.text(message), next: this.text(next) };
  }

  summary(run: RunSummary): RunSummary {
    const { name, failedStep, reason, forkedFrom, error, tags, waiting } = run;
    return {
      ...run,
      name: this.text(name),
      ...(failedStep !== undefined && { failedStep: this.path(failedStep) }),
      ...(reason !== undefined && { reason: this.text(reason) }),
      ...(forkedFrom !== undefined && { forkedFrom: { ...forkedFrom, path: this.path(forkedFrom.path) } }),
      ...(error !== undefined && { error: this.text(error) }),
      ...(tags !== undefined && { tags: this.value(tags) as Readonly<Record<string, string>> }),
      waiting: waiting.map((question) => ({ ...question, path: this.path(question.path) })),
    };
  }

  /** A stream: names, and offsets of the user's. */
  stream({ name, offsets, lags, tables, late, committedAt }: StreamSummary): StreamSummary {
    const named = <T>(record: Readonly<Record<string, T>>): Record<string, T> =>
      Object.fromEntries(Object.entries(record).map(([key, each]) => [this.text(key), each]));
    return {
      name: this.text(name),
      offsets: named(this.value(offsets) as typeof offsets),
      lags: named(lags),
      tables: named(tables),
      late: named(late),
      committedAt,
    };
  }

  /** An event, with the values above 64 kB cut. */
  event(event: RunEvent, offset?: number): RunEvent {
    const shown = this.#event(event, (value) => this.value(value));
    if (JSON.stringify(shown).length * 3 <= LARGEST_VALUE) return shown;
    return this.#event(event, (value, path, of) => this.short(value, path, of, offset));
  }

  state(state: RunState): StateReply {
    return this.#state(state, (value, path, of) => this.short(value, path, of));
  }

  /** A run as it is kept in a file, with nothing cut. */
  wholeRun({ state, events }: ArchivedRun): ArchivedRun {
    const change: Change = (value) => this.value(value);
    return {
      // Its steps are a list, as in JSON.
      state: this.#state(state, change) as unknown as RunState,
      events: events?.map((event) => this.#event(event, change)),
    };
  }

  #state(state: RunState, change: Change): StateReply {
    const { steps, plan, input, output, error, tags, reason, forkedFrom, name } = state;
    return {
      ...state,
      name: this.text(name),
      plan: this.plan(plan),
      input: change(input, '', 'input'),
      ...(output !== undefined && { output: change(output, '', 'output') }),
      ...(error !== undefined && { error: this.failure(error) }),
      ...(tags !== undefined && { tags: this.value(tags) as Readonly<Record<string, string>> }),
      ...(reason !== undefined && { reason: this.text(reason) }),
      ...(forkedFrom !== undefined && { forkedFrom: { ...forkedFrom, path: this.path(forkedFrom.path) } }),
      ...this.#sharing(state),
      steps: [...steps].map((row) => this.#row(row, change)),
    };
  }

  #row(row: StepResult, change: Change): StepResult {
    const { stepId, agent, error, answer, limitKey } = row;
    const path = this.path(stepId);
    return {
      ...row,
      stepId: path,
      agent: this.text(agent),
      error: error && this.failure(error),
      ...this.#sharing(row),
      ...('input' in row && { input: change(row.input, path, 'input') }),
      ...('output' in row && { output: change(row.output, path, 'output') }),
      ...('request' in row && { request: change(row.request, path, 'request') }),
      ...(row.kept !== undefined && { kept: keptOf(change(row.kept, path, 'kept')) }),
      ...(limitKey !== undefined && { limitKey: this.text(limitKey) }),
      ...(answer !== undefined && {
        answer: 'value' in answer ? { ...answer, value: change(answer.value, path, 'answer') } : answer,
      }),
    };
  }

  #event(event: RunEvent, change: Change): RunEvent {
    switch (event.type) {
      case 'run.started':
        return {
          ...event,
          name: this.text(event.name),
          input: change(event.input, '', 'input'),
          plan: this.plan(event.plan),
          ...this.#sharing(event),
          ...(event.tags !== undefined && { tags: this.value(event.tags) as Record<string, string> }),
        };
      case 'run.imported': {
        // It is JSON by the time it is read: the steps are a list there.
        const state = this.#state(event.state, change) as unknown as RunState;
        return { ...event, state };
      }
      case 'run.resumed':
        return {
          ...event,
          ...(event.name !== undefined && { name: this.text(event.name) }),
          ...(event.plan !== undefined && { plan: this.plan(event.plan) }),
          ...('input' in event && { input: change(event.input, '', 'input') }),
          ...this.#sharing(event),
          ...this.#paths(event, 'dropped', 'opened'),
        };
      case 'run.completed':
        return { ...event, output: change(event.output, '', 'output') };
      case 'run.failed':
        return { ...event, error: this.failure(event.error), ...this.#paths(event, 'others') };
      case 'run.suspended':
        return { ...event, ...this.#reason(event), ...this.#paths(event, 'waiting') };
      case 'run.cancelled':
        return {
          ...event,
          ...this.#reason(event),
          ...(event.error !== undefined && { error: this.failure(event.error) }),
        };
      default:
        return this.#stepEvent(event, change);
    }
  }

  #stepEvent(event: Extract<RunEvent, { readonly path: string }>, change: Change): RunEvent {
    const path = this.path(event.path);
    switch (event.type) {
      case 'step.started':
        return {
          ...event,
          path,
          agent: this.text(event.agent),
          ...('input' in event && { input: change(event.input, path, 'input') }),
          ...(event.limitKey !== undefined && { limitKey: this.text(event.limitKey) }),
          ...this.#sharing(event),
          ...this.#paths(event, 'dropped', 'caught'),
        };
      case 'step.emitted':
        return { ...event, path, value: change(event.value, path, 'data') };
      case 'step.logged': {
        const { data, message, ...line } = event;
        const shown = data === undefined ? undefined : change(data, path, 'data');
        return {
          ...line,
          path,
          message: this.text(message),
          ...(shown !== undefined && { data: shown as object }),
        };
      }
      case 'step.completed':
        return {
          ...event,
          path,
          output: change(event.output, path, 'output'),
          ...this.#sharing(event),
          ...(event.kept !== undefined && { kept: keptOf(change(event.kept, path, 'kept')) }),
        };
      case 'step.failed':
        return { ...event, path, error: this.failure(event.error), ...this.#paths(event, 'exposes') };
      case 'step.retrying':
        return { ...event, path, error: this.failure(event.error), ...this.#paths(event, 'reset') };
      case 'step.skipped':
        return { ...event, path, ...('output' in event && { output: change(event.output, path, 'output') }) };
      case 'step.suspended':
        return {
          ...event,
          path,
          request: change(event.request, path, 'request'),
          ...(event.limits !== undefined && {
            limits: event.limits.map((limit) => ({ ...limit, path: this.path(limit.path) })),
          }),
        };
      case 'step.answered':
        return { ...event, path, ...('value' in event && { value: change(event.value, path, 'answer') }) };
      case 'step.cancelled':
        return { ...event, path };
    }
  }

  /**
   * What steps share, and how they change it: never cut, because who folds the events makes those changes. A change inside of what is
   * hidden as a whole is left out.
   */
  #sharing({ shared, sharedInitial, updates, updated }: Sharing): Sharing {
    return {
      ...(shared !== undefined && { shared: this.value(shared) }),
      ...(sharedInitial !== undefined && { sharedInitial: this.value(sharedInitial) }),
      ...(updates !== undefined && { updates: updates.flatMap((patch) => this.#patch(patch)) }),
      ...(updated !== undefined && { updated: this.path(updated) }),
    };
  }

  /** The value is judged by all names that lead to it. */
  #patch(patch: SharedPatch): readonly SharedPatch[] {
    const { path, op } = patch;
    const within = path.reduceRight<unknown>(
      (inner, key) => ({ [key]: inner }),
      op === 'remove' ? 0 : patch.value,
    );
    let shown = this.value(within);
    for (const key of path) {
      if (typeof shown !== 'object' || shown === null) return [];
      shown = (shown as Readonly<Record<string, unknown>>)[key];
    }
    return [op === 'remove' ? patch : { ...patch, value: shown }];
  }

  #reason({ reason }: { readonly reason?: string }): { readonly reason?: string } {
    return reason === undefined ? {} : { reason: this.text(reason) };
  }

  /** Lists of paths of an event, where it has them. */
  #paths<K extends string>(
    event: Readonly<Partial<Record<K, readonly string[]>>>,
    ...names: readonly K[]
  ): Readonly<Partial<Record<K, readonly string[]>>> {
    const lists: Partial<Record<K, readonly string[]>> = {};
    for (const name of names) {
      const list: readonly string[] | undefined = event[name];
      if (list !== undefined) lists[name] = list.map((path) => this.path(path));
    }
    return lists;
  }
}

function cut(value: unknown, path: string, of: ValueKind, offset: number | undefined): unknown {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined || text.length * 3 <= LARGEST_VALUE) return value;
  const bytes = Buffer.byteLength(text);
  if (bytes <= LARGEST_VALUE) return value;
  return {
    $at: { path, of, ...(offset !== undefined && { offset }) },
    bytes,
    preview: text.slice(0, PREVIEW),
  } satisfies CutValue;
}

/** Who folds the events expects a list. */
function keptOf(kept: unknown): readonly unknown[] {
  return Array.isArray(kept) ? kept : [kept];
}

/** So much that two texts are told apart, and so little that nobody finds a text by trying. */
function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 6);
}
