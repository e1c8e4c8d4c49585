import type { Definition } from '../../definition/definition';
import type { RunIdentity } from '../../model/incarnation';
import type { Stop } from '../../streams/pull';

/** What of a step is told to a scope. */
export interface ScopedStep {
  readonly path: string;
  readonly definition: Definition;
  readonly attempt: number;
  readonly input: unknown;
  readonly parent: ScopedStep | undefined;
}

/** Calls a function with something around it, such as a context of its own. */
export type CallScope = <T>(step: ScopedStep, call: () => T) => T;

const scopes = new Map<string, Set<CallScope>>();

/** Puts something around every call of a function that this process makes for a run, until stopped. */
export function scopeCalls(run: RunIdentity, scope: CallScope): Stop {
  const key = keyOf(run);
  const own = scopes.get(key) ?? new Set();
  scopes.set(key, own.add(scope));
  return () => {
    own.delete(scope);
    if (own.size === 0 && scopes.get(key) === own) scopes.delete(key);
  };
}

/** Calls with whatever has been put around the calls of the run. */
export function callInScopes<T>(run: RunIdentity, step: ScopedStep, call: () => T): T {
  const own = scopes.size === 0 ? undefined : scopes.get(keyOf(run));
  if (own === undefined) return call();
  let scoped = call;
  for (const scope of own) {
    const inner = scoped;
    scoped = () => scope(step, inner);
  }
  return scoped();
}

/** Two stores may have a run of the same id. */
function keyOf({ runId, incarnation = '' }: RunIdentity): string {
  return `${incarnation} ${runId}`;
}
