import type { RunState } from '../lib/model/state';

/** What a budget counts: tokens, US dollars, steps begun, milliseconds. */
export interface Spending {
  readonly tokens: number;
  readonly usd: number;
  readonly steps: number;
  readonly ms: number;
}

/** A run was stopped because it used more than its budget allows. It can be resumed, with another budget. */
export class BudgetExceededError extends Error {
  override readonly name = 'BudgetExceededError';
  readonly retryable = false;
  /** What was exceeded. */
  readonly kind: keyof Spending;
  readonly limit: number;
  readonly used: Spending;
  /** How the run stood that was told last; undefined when nothing was told. */
  readonly state: RunState | undefined;

  constructor(kind: keyof Spending, limit: number, used: Spending, state: RunState | undefined) {
    const who = state === undefined ? 'the run' : `run "${state.runId}" of "${state.name}"`;
    super(`Budget of ${who} exceeded: ${String(used[kind])} ${kind}, ${String(limit)} allowed`);
    this.kind = kind;
    this.limit = limit;
    this.used = used;
    this.state = state;
  }
}
