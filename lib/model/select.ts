import type { Failure } from './failure';
import type { RunState } from './state';
import type { StepResult } from './stepResult';

/** What a step gave, told apart from why there is nothing. */
export type StepOutput =
  | { readonly kind: 'unknown step' }
  | { readonly kind: 'not run' }
  | { readonly kind: 'running' }
  | { readonly kind: 'suspended' }
  | { readonly kind: 'skipped'; readonly output: unknown }
  | { readonly kind: 'failed'; readonly error: Failure | null }
  | { readonly kind: 'output'; readonly output: unknown };

/**
 * What the step at this path gave: its output, `undefined` included, or the reason why there is none.
 */
export function outputOf(state: RunState, path: string): StepOutput {
  const step = state.steps.get(path);
  switch (step?.status) {
    case undefined:
      return { kind: 'unknown step' };
    case 'PENDING':
      return { kind: 'not run' };
    case 'RUNNING':
      return { kind: 'running' };
    case 'SUSPENDED':
      return { kind: 'suspended' };
    case 'SKIPPED':
      return { kind: 'skipped', output: step.output };
    case 'FAILED':
      return { kind: 'failed', error: step.error };
    case 'COMPLETED':
      return { kind: 'output', output: step.output };
  }
}

/** Paths of the steps that run right now. */
export function currentSteps(state: RunState): ReadonlySet<string> {
  const paths = new Set<string>();
  for (const step of state.steps) if (step.status === 'RUNNING') paths.add(step.stepId);
  return paths;
}

/** The steps that failed, first mentioned first. */
export function failedSteps(state: RunState): readonly StepResult[] {
  return [...state.steps].filter((step) => step.status === 'FAILED');
}

/** How one link of a chain went. */
export interface ChainResult {
  readonly agentName: string;
  readonly status: 'completed' | 'failed';
  /** What it gave; null when it failed, or gave nothing. */
  readonly output: unknown;
  /** Seconds. */
  readonly duration: number;
  readonly error: string | null;
}

/** How the links of a chain went, in order, up to the first failure or the first link that has not ended. */
export function chainResults(state: RunState): readonly ChainResult[] {
  const results: ChainResult[] = [];
  for (const { path } of state.plan) {
    const step = path.includes('/') ? undefined : state.steps.get(path);
    if (step === undefined) continue;
    if (step.status !== 'COMPLETED' && step.status !== 'FAILED') break;
    results.push({
      agentName: step.agent,
      status: step.status === 'COMPLETED' ? 'completed' : 'failed',
      output: step.output ?? null,
      duration: step.duration,
      error: step.error === null ? null : step.error.message,
    });
    if (step.status === 'FAILED') break;
  }
  return results;
}
