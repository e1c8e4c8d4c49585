import { types } from 'node:util';

import type { Observable, Observer, SchedulerLike } from 'rxjs';
import { from, Subject, Subscription } from 'rxjs';

import { InvalidArgumentError } from '../model/failure';
import type {
  ActiveAlert,
  Alert,
  AlertRecord,
  AlertRule,
  AlertStream,
  RememberedRule,
  StatsSample,
} from './alert';
import { MOST_RECORDS } from './alert';
import type { Comparison, RuleMemory } from './ruleMemory';
import { withMemory } from './ruleMemory';
import type { WorkflowStats } from './workflowMetrics';

/** Told which rule failed, for which workflow, and how. */
export type OnRuleError = (ruleName: string, workflowName: string, error: unknown) => void;

/** What a desk remembers of the time before it was made. */
export interface SavedDesk {
  readonly alerts: readonly ActiveAlert[];
  readonly rules?: readonly RememberedRule[] | undefined;
  readonly history?: readonly AlertRecord[] | undefined;
}

/**
 * Where rules are kept and asked. A rule that throws or errors, or answers anything but true and false, is reported, changes
 * nothing, and is asked again.
 */
export class AlertDesk {
  readonly #rules = new Map<string, AlertRule>();
  readonly #streams = new Map<string, AlertStream>();
  readonly #feeds = new Map<string, Feed>();
  readonly #memories: Map<string, RememberedRule>;
  readonly #followed = new Subscription();
  readonly #latest = new Map<string, StatsSample>();
  readonly #active: Map<string, ActiveAlert>;
  readonly #history: AlertRecord[];
  readonly #alerts$ = new Subject<Alert>();
  readonly #scheduler: SchedulerLike;
  readonly #onRuleError: OnRuleError;
  /** What each rule reads that is not there, as far as it has been told. */
  readonly #told = new WeakMap<object, Set<string>>();

  constructor(scheduler: SchedulerLike, onRuleError: OnRuleError, saved: SavedDesk = { alerts: [] }) {
    this.#scheduler = scheduler;
    this.#onRuleError = onRuleError;
    this.#active = new Map(saved.alerts.map((alert) => [keyOf(alert.ruleName, alert.workflowName), alert]));
    this.#history = [...(saved.history ?? [])];
    this.#memories = new Map(
      (saved.rules ?? []).map((rule) => [keyOf(rule.ruleName, rule.workflowName), rule]),
    );
  }

  get alerts$(): Observable<Alert> {
    return this.#alerts$.asObservable();
  }

  /** A rule of the same name, of either kind, is replaced. */
  addRule(name: string, rule: AlertRule): void {
    this.#streams.delete(name);
    this.#rules.set(name, rule);
  }

  addStream(name: string, stream: AlertStream): void {
    this.#rules.delete(name);
    this.#streams.set(name, stream);
  }

  hasRules(): boolean {
    return this.#rules.size > 0 || this.#streams.size > 0;
  }

  /** Whether there is nothing to ask, and no alert to end. */
  isIdle(): boolean {
    return !this.hasRules() && this.#active.size === 0;
  }

  /** Lets the stream rules see a sample. */
  show(sample: StatsSample): void {
    if (this.#followed.closed) return;
    this.#latest.set(sample.workflowName, sample);
    for (const [name, stream] of this.#streams)
      this.#feedOf(name, stream, sample.workflowName)?.next(this.#shownTo(name, stream, sample));
  }

  /** Asks the plain rules. */
  ask(sample: StatsSample): void {
    for (const [name, rule] of this.#rules) {
      try {
        const figures: Record<string, number> = {};
        const shown = this.#shownTo(name, rule, sample, (figure, value) => {
          if (isKept(value)) figures[figure] = value;
        });
        this.#judge(name, checked(rule(shown)), sample, { figures });
      } catch (error) {
        this.#report(name, sample.workflowName, error);
      }
    }
  }

  /** Ends the alerts of rules, and of workflows, that are no longer there. */
  endOrphans(
    workflowName: string | undefined,
    statsOf: (workflowName: string) => WorkflowStats | undefined,
  ): void {
    for (const alert of [...this.#active.values()]) {
      if (workflowName !== undefined && workflowName !== alert.workflowName) continue;
      const stats = statsOf(alert.workflowName);
      const hasRule = this.#rules.has(alert.ruleName) || this.#streams.has(alert.ruleName);
      if (hasRule && stats !== undefined && stats.executions > 0) continue;
      if (stats === undefined) this.#active.delete(keyOf(alert.ruleName, alert.workflowName));
      else this.#judge(alert.ruleName, false, { ...stats, at: this.#scheduler.now() }, { figures: {} });
    }
  }

  active(): readonly ActiveAlert[] {
    return [...this.#active.values()];
  }

  /** What has fired and cleared lately, oldest first. */
  history(): readonly AlertRecord[] {
    return [...this.#history];
  }

  /** What the conditions of the stream rules remember. */
  memories(): readonly RememberedRule[] {
    return [...this.#memories.values()].filter(
      ({ ruleName, cells }) => cells.length > 0 && this.#streams.has(ruleName),
    );
  }

  close(): void {
    for (const { samples$ } of this.#feeds.values()) samples$.complete();
    // A timer of a rule would keep the process alive.
    this.#followed.unsubscribe();
    this.#alerts$.complete();
  }

  #judge(
    ruleName: string,
    isWrong: boolean,
    sample: StatsSample,
    seen: Pick<AlertRecord, 'figures' | 'limit'>,
  ): void {
    const { workflowName } = sample;
    // Not that of the sample: a rule with a timer speaks between samples.
    const at = this.#scheduler.now();
    const key = keyOf(ruleName, workflowName);
    if (isWrong === this.#active.has(key)) return;
    if (isWrong) this.#active.set(key, { ruleName, workflowName, since: at });
    else this.#active.delete(key);
    // An alert may be kept and sent away: it gets numbers of its own.
    const stats = { ...sample, agents: { ...sample.agents } };
    const status = isWrong ? 'FIRED' : 'CLEARED';
    this.#history.push({ ruleName, workflowName, status, at, ...seen });
    if (this.#history.length > MOST_RECORDS) this.#history.shift();
    this.#alerts$.next({ ruleName, workflowName, status, at, stats });
  }

  #report(ruleName: string, workflowName: string, error: unknown): void {
    try {
      this.#onRuleError(ruleName, workflowName, error);
    } catch {
      // Whoever is told about a broken rule must not break the others.
    }
  }

  /** A sample that tells once which property a rule reads that is not there; the rule is asked all the same. */
  #shownTo(
    ruleName: string,
    rule: object,
    sample: StatsSample,
    read?: (name: string, value: unknown) => void,
  ): StatsSample {
    const missing = (name: string, meant: string | undefined): void => {
      const told = this.#told.get(rule) ?? new Set<string>();
      if (told.has(name)) return;
      this.#told.set(rule, told.add(name));
      const what = meant === undefined ? '' : `; it is called "${meant}"`;
      const error = new InvalidArgumentError(
        `it reads "${name}", which is none of the numbers${what}`,
        `read ${meant ?? 'what there is'}`,
        { tellsNext: false },
      );
      this.#report(ruleName, sample.workflowName, error);
    };
    const agents = new Proxy(sample.agents, {
      get(all, name, receiver) {
        const stats: unknown = Reflect.get(all, name, receiver);
        return typeof stats === 'object' && stats !== null ? tellingMissing(stats, OPTIONAL, missing) : stats;
      },
    });
    return tellingMissing({ ...sample, agents }, OPTIONAL, missing, read);
  }

  /** The samples of one workflow for one rule; followed from its first sample on, and anew after an error. */
  #feedOf(ruleName: string, stream: AlertStream, workflowName: string): Observer<StatsSample> | undefined {
    const key = keyOf(ruleName, workflowName);
    const known = this.#feeds.get(key);
    if (known?.stream === stream) return known.samples$;
    // Another rule of the same name has taken its place.
    known?.following.unsubscribe();
    const memory = this.#memoryOf(key, ruleName, workflowName);
    const feed: Feed = { stream, memory, samples$: new Subject(), following: new Subscription() };
    this.#feeds.set(key, feed);
    this.#followed.add(feed.following);
    const failed = (error: unknown): void => {
      if (this.#feeds.get(key) === feed) this.#feeds.delete(key);
      this.#followed.remove(feed.following);
      this.#report(ruleName, workflowName, error);
    };
    try {
      const subscription = withMemory(memory, () =>
        from(stream(feed.samples$.asObservable(), this.#scheduler)).subscribe({
          next: (answer: unknown) => {
            this.#hear(ruleName, workflowName, answer, memory.compared);
          },
          error: failed,
        }),
      );
      feed.following.add(subscription);
    } catch (error) {
      failed(error);
    }
    return this.#feeds.get(key)?.samples$;
  }

  #hear(ruleName: string, workflowName: string, answer: unknown, compared: Comparison | undefined): void {
    const sample = this.#latest.get(workflowName);
    if (sample === undefined) return;
    try {
      this.#judge(ruleName, checked(answer), sample, {
        figures: compared !== undefined && isKept(compared.value) ? { value: compared.value } : {},
        ...(compared !== undefined && { limit: compared.limit }),
      });
    } catch (error) {
      this.#report(ruleName, workflowName, error);
    }
  }

  #memoryOf(key: string, ruleName: string, workflowName: string): RuleMemory {
    const known = this.#memories.get(key);
    const cells = [...(known?.cells ?? [])];
    this.#memories.set(key, { ruleName, workflowName, cells });
    return { cells, next: 0 };
  }
}

/** What a sample has only sometimes, and what others look for in any object. */
const OPTIONAL: ReadonlySet<string> = new Set([
  'latest',
  'at',
  'then',
  'toJSON',
  'asymmetricMatch',
  'nodeType',
  '$$typeof',
]);

/** What JSON has no number for would make the file of the metrics unreadable. */
function isKept(value: unknown): value is number {
  return Number.isFinite(value);
}

function checked(answer: unknown): boolean {
  if (typeof answer === 'boolean') return answer;
  if (types.isPromise(answer)) answer.catch(() => undefined);
  const what = types.isPromise(answer)
    ? 'a Promise'
    : answer === null
      ? 'null'
      : answer === undefined
        ? 'undefined'
        : `a ${typeof answer}`;
  throw new InvalidArgumentError(`it gave ${what}, where true or false is expected`, 'answer true or false', {
    tellsNext: false,
  });
}

/** A rule that follows the samples of one workflow. */
interface Feed {
  readonly stream: AlertStream;
  readonly memory: RuleMemory;
  readonly samples$: Subject<StatsSample>;
  readonly following: Subscription;
}

function keyOf(ruleName: string, workflowName: string): string {
  return JSON.stringify([ruleName, workflowName]);
}

/**
 * The same object, which tells when a property is read that it does not have: in plain JavaScript `stats.failure_rate` is undefined,
 * and a rule that compares it never fires. It also tells what is read.
 *
 * @param optional - Properties that may be absent.
 * @param read - Told each property that is read, and what it is.
 * @param missing - Told the name of the property, and one that it has instead, where there is one that is spelled alike.
 */
function tellingMissing<T extends object>(
  object: T,
  optional: ReadonlySet<string>,
  missing: (name: string, meant: string | undefined) => void,
  read: (name: string, value: unknown) => void = () => undefined,
): T {
  return new Proxy(object, {
    get(target, key, receiver) {
      if (typeof key === 'string' && !(key in target) && !optional.has(key))
        missing(key, namedLike(key, Object.keys(target)));
      const value: unknown = Reflect.get(target, key, receiver);
      if (typeof key === 'string') read(key, value);
      return value;
    },
  });
}

function namedLike(name: string, names: readonly string[]): string | undefined {
  const plain = (text: string): string => text.replace(/[^a-z0-9]/gi, '').toLowerCase();
  return names.find((other) => plain(other) === plain(name));
}
