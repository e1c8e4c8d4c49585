import { types } from 'node:util';

import type { Observable, SchedulerLike } from 'rxjs';
import { from, Subject, Subscription } from 'rxjs';

import { InvalidArgumentError } from '../model/failure';
import type { ActiveAlert, Alert, AlertRule, AlertStream, StatsSample } from './alert';

/** Where rules are kept and asked. A rule that throws or errors is reported and harms nothing. */
export interface AlertDesk {
  readonly alerts$: Observable<Alert>;
  addRule(name: string, rule: AlertRule): void;
  addStream(name: string, stream: AlertStream): void;
  hasRules(): boolean;
  /** Lets the stream rules see a sample. */
  show(sample: StatsSample): void;
  /** Asks the plain rules. */
  ask(sample: StatsSample): void;
  active(): readonly ActiveAlert[];
  close(): void;
}

/** Told which rule failed, for which workflow, and how. */
export type OnRuleError = (ruleName: string, workflowName: string, error: unknown) => void;

/** A desk that remembers what had fired before it was made. */
export function alertDesk(
  scheduler: SchedulerLike,
  onRuleError: OnRuleError,
  saved: readonly ActiveAlert[] = [],
): AlertDesk {
  const rules = new Map<string, AlertRule>();
  const streams = new Map<string, AlertStream>();
  const feeds = new Map<string, Feed>();
  const followed = new Subscription();
  const latest = new Map<string, StatsSample>();
  const active = new Map(saved.map((alert) => [keyOf(alert.ruleName, alert.workflowName), alert]));
  const alerts$ = new Subject<Alert>();

  const report: OnRuleError = (ruleName, workflowName, error) => {
    try {
      onRuleError(ruleName, workflowName, error);
    } catch {
      // Whoever is told about a broken rule must not break the others.
    }
  };
  const judge = (ruleName: string, isWrong: boolean, sample: StatsSample): void => {
    const { workflowName } = sample;
    // Not that of the sample: a rule with a timer speaks between samples.
    const at = scheduler.now();
    const key = keyOf(ruleName, workflowName);
    if (isWrong === active.has(key)) return;
    if (isWrong) active.set(key, { ruleName, workflowName, since: at });
    else active.delete(key);
    alerts$.next({ ruleName, workflowName, status: isWrong ? 'FIRED' : 'CLEARED', at, stats: sample });
  };

  /** The samples of one workflow for one rule; followed from its first sample on. */
  const feedOf = (ruleName: string, stream: AlertStream, workflowName: string): Subject<StatsSample> => {
    const key = keyOf(ruleName, workflowName);
    const known = feeds.get(key);
    if (known?.stream === stream) return known.samples$;
    // Another rule of the same name has taken its place.
    known?.following.unsubscribe();
    const samples$ = new Subject<StatsSample>();
    const following = new Subscription();
    followed.add(following);
    feeds.set(key, { stream, samples$, following });
    const failed = (error: unknown): void => {
      report(ruleName, workflowName, error);
    };
    try {
      following.add(
        from(stream(samples$.asObservable(), scheduler)).subscribe({
          next: (isWrong) => {
            const sample = latest.get(workflowName);
            if (sample !== undefined) judge(ruleName, isWrong, sample);
          },
          error: failed,
        }),
      );
    } catch (error) {
      failed(error);
    }
    return samples$;
  };

  return {
    alerts$: alerts$.asObservable(),
    addRule: (name, rule) => rules.set(name, rule),
    addStream: (name, stream) => streams.set(name, stream),
    hasRules: () => rules.size > 0 || streams.size > 0,
    show(sample) {
      if (followed.closed) return;
      latest.set(sample.workflowName, sample);
      for (const [name, stream] of streams) feedOf(name, stream, sample.workflowName).next(sample);
    },
    ask(sample) {
      for (const [name, rule] of rules) {
        try {
          const answer: unknown = rule(sample);
          if (types.isPromise(answer)) {
            answer.catch(() => undefined);
            throw new InvalidArgumentError(
              'it gave a Promise, where true or false is expected',
              'answer at once',
              { tellsNext: false },
            );
          }
          judge(name, answer === true, sample);
        } catch (error) {
          report(name, sample.workflowName, error);
        }
      }
    },
    active: () => [...active.values()],
    close() {
      for (const { samples$ } of feeds.values()) samples$.complete();
      // A timer of a rule would keep the process alive.
      followed.unsubscribe();
      alerts$.complete();
    },
  };
}

/** A rule that follows the samples of one workflow. */
interface Feed {
  readonly stream: AlertStream;
  readonly samples$: Subject<StatsSample>;
  readonly following: Subscription;
}

function keyOf(ruleName: string, workflowName: string): string {
  return JSON.stringify([ruleName, workflowName]);
}
