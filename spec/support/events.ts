import type { RunEvent, RunFact, Transition } from '../../lib/model/event';
import { reduceRun } from '../../lib/model/reduce';
import { idleState } from '../../lib/model/state';

/** The start of a run named `w`. */
export const started: RunFact = { type: 'run.started', name: 'w', input: null, plan: [] };

/** The events of one attempt of a step, with these fields. */
export function attempt(
  path: string,
  agent = path,
): { readonly path: string; readonly agent: string; readonly attempt: number } {
  return { path, agent, attempt: 1 };
}

/** Transitions of a run called `runId`, one second apart, made of facts; reading a state counts. */
export function transitionsOf(
  runId: string,
  facts: readonly RunFact[],
  onRead: () => void = () => undefined,
): Transition[] {
  let state = idleState(runId, 'w', []) as Transition['state'];
  return facts.map((fact, index) => {
    const event = { ...fact, runId, seq: index + 1, at: (index + 1) * 1_000 } as RunEvent;
    state = reduceRun(state, event);
    const after = state;
    return {
      event,
      get state() {
        onRead();
        return after;
      },
    };
  });
}
