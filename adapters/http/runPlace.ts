import type { Observable } from 'rxjs';
import { defer, EMPTY, switchMap, throwError } from 'rxjs';

import type { RunEngine, RunHint } from '../../lib/engine/engine';
import type { Where } from '../../lib/engine/runOptions';
import { UnknownRunError } from '../../lib/errors/storageErrors';
import type { Agent } from '../../lib/model/agentType';
import type { RunState } from '../../lib/model/state';
import type { EventsOptions, KeptEvent, RunQuery, RunSummary, Store } from '../../lib/store/store';
import { select } from '../../lib/store/summary';
import type { Ability } from './contract';
import { HttpRequestError } from './httpRequestError';

/** Any agent. */
export type AnyAgent = Agent<never, unknown>;

/** An engine, such as `restateEngine()`, with what it can show of its runs. */
export interface ShowingEngine extends RunEngine {
  /** The events of the latest life of a run. */
  events?(runId: string, options?: EventsOptions & RunHint): Observable<KeptEvent>;
  /** How a run stands; undefined for an unknown id. */
  loadRun?<O>(agent: Agent<never, O>, runId: string): Promise<RunState<O> | undefined>;
  /** The runs that it knows, newest first. */
  listRuns?(query?: { readonly name?: string; readonly limit?: number }): Promise<readonly RunSummary[]>;
}

/** Where runs rest, as far as it can be looked at from outside. */
export interface RunPlace {
  readonly name: string;
  readonly kind: 'store' | 'engine';
  readonly folder?: string;
  readonly abilities: readonly Ability[];
  readonly where: Where;
  listRuns(query: RunQuery): Promise<readonly RunSummary[]>;
  loadRun(runId: string): Promise<RunState | undefined>;
  events(runId: string, options: EventsOptions): Observable<KeptEvent>;
  isServed(): Promise<boolean>;
  queued(): Promise<number>;
  /** @throws HttpRequestError for an engine. */
  store(ability: string): Store;
}

export function storePlace(name: string, store: Store): RunPlace {
  return {
    name,
    kind: 'store',
    abilities: [
      ...(['start', 'answer', 'cancel', 'resume', 'fork', 'delete', 'export', 'import'] as const),
      ...(['changes', 'signal', 'streams'] as const),
    ],
    ...(store.folder !== undefined && { folder: store.folder }),
    where: { store },
    listRuns: (query) => store.listRuns(query),
    loadRun: (runId) => store.loadRun(runId),
    events: (runId, options) => store.events(runId, options),
    isServed: () => store.isServed(),
    queued: () => store.queue.size(),
    store: () => store,
  };
}

/** What an engine does not have is refused by name. */
export function enginePlace(
  name: string,
  engine: ShowingEngine,
  agents: ReadonlyMap<string, AnyAgent>,
): RunPlace {
  const agentOf = async (runId: string): Promise<AnyAgent> => {
    for (const agent of agents.values())
      if ((await engine.loadRun?.(agent, runId)) !== undefined) return agent;
    throw new UnknownRunError(runId);
  };
  const refuse = (what: string): HttpRequestError =>
    new HttpRequestError(
      'NOT_ON_ENGINE',
      `Cannot ${what}: this engine does not do that`,
      'ask for it with a store',
    );
  return {
    name,
    kind: 'engine',
    abilities: [...(engine.submit === undefined ? [] : (['start'] as const)), 'answer', 'cancel'],
    where: { engine },
    listRuns: async ({ limit = 1_000, ...query }) => {
      if (engine.listRuns === undefined) throw refuse('list runs');
      const { name: wanted } = query;
      const runs = await engine.listRuns({ limit, ...(wanted !== undefined && { name: wanted }) });
      return select(
        runs.map((run) => ({ run, isResting: run.status !== 'RUNNING' })),
        query,
      );
    },
    loadRun: async (runId) => {
      if (engine.loadRun === undefined) throw refuse('show a run');
      for (const agent of agents.values()) {
        const state = await engine.loadRun(agent, runId);
        if (state !== undefined) return state;
      }
      return undefined;
    },
    events: (runId, { after = 0 }) => {
      if (engine.events === undefined) return throwError(() => refuse('show the events of a run'));
      return defer(() => agentOf(runId)).pipe(
        switchMap((agent) => engine.events?.(runId, { after, agent }) ?? EMPTY),
      );
    },
    isServed: () => Promise.resolve(true),
    queued: () => Promise.resolve(0),
    store: (ability) => {
      throw refuse(ability);
    },
  };
}
