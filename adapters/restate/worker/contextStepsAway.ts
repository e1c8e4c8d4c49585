import { Observable, throwError } from 'rxjs';

import { AttemptOverError, DuplicateStepError, StepError } from '../../../lib/errors/stepErrors';
import type { Agent } from '../../../lib/model/agentType';
import type { RunEvent } from '../../../lib/model/event';
import type { StepTable } from '../../../lib/model/stepTable';
import type { AnswerCache } from '../../../lib/store/answerCache';
import type { CallId } from '../protocol/protocol';
import { tellable } from '../protocol/wireEvent';
import type { Teller } from './eventPublisher';
import { runBelow } from './nestedEngine';

/** The steps that one call of a function asks for while it runs. */
export interface NestedSteps {
  /** What `ctx.step` does. */
  step<I, O>(id: string, agent: Agent<I, O>, input: I): Observable<O>;
  /** Stops what is under way; who waits for it goes on with nothing. */
  close(): void;
  /** Paths of those that failed. */
  readonly failedBelow: readonly string[];
}

/** The call that asks for them, and what is known of earlier ones. */
export interface NestedOptions {
  readonly runId: string;
  readonly under: CallId;
  readonly teller: Teller;
  readonly known: () => Promise<StepTable | undefined>;
  readonly cache: AnswerCache;
}

/**
 * Steps whose place is decided while a function runs. The journal of the run cannot hold them: a replay would need the
 * function to ask in the same order. So they are kept by path, as durable promises beside it: a step that has finished is
 * answered from there, in whatever order it is asked for and on whichever worker.
 */
export function nestedSteps({ runId, under, teller, known, cache }: NestedOptions): NestedSteps {
  const used = new Set<string>();
  const open = new Set<{ complete(): void }>();
  const failedBelow: string[] = [];
  let saved: Promise<StepTable | undefined> | undefined;
  let isClosed = false;
  /** Partial results and log entries told so far. */
  let seen = 0;

  const tell = (given: RunEvent): void => {
    const event = tellable(given);
    if (event === undefined) return;
    if (event.type === 'step.failed') failedBelow.push(event.path);
    const place = 'path' in event ? event.path : '';
    const detail =
      event.type === 'step.emitted' || event.type === 'step.logged'
        ? `${under.execution}:${seen++}`
        : 'attempt' in event
          ? event.attempt
          : '';
    teller.add({ key: `n:${place}:${event.type}:${detail}`, under, event });
  };
  return {
    failedBelow,
    step<I, O>(id: string, agent: Agent<I, O>, input: I): Observable<O> {
      const path = `${under.path}/${id}`;
      if (isClosed) return throwError(() => new AttemptOverError(path));
      if (used.has(id)) throw new DuplicateStepError(path);
      used.add(id);
      return new Observable<O>((subscriber) => {
        let stop: (() => void) | undefined;
        const begin = (table: StepTable | undefined): void => {
          if (isClosed || subscriber.closed) return;
          stop = runBelow(
            { runId, base: under.path, id, agent, input, table, tell, teller, cache },
            (answer) => {
              if (answer.kind === 'failed') subscriber.error(new StepError(answer.failure, answer.cause));
              else {
                subscriber.next(answer.output as O);
                subscriber.complete();
              }
            },
          );
        };
        if (isClosed) {
          subscriber.complete();
          return undefined;
        }
        open.add(subscriber);
        (saved ??= known()).then(begin).catch((error: unknown) => {
          subscriber.error(error);
        });
        return () => {
          open.delete(subscriber);
          stop?.();
        };
      });
    },
    close() {
      isClosed = true;
      // The function may still wait for them: it goes on, with nothing, so that it can clean up.
      for (const subscriber of [...open]) subscriber.complete();
    },
  };
}
