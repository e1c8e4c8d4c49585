import { fromEvent, take, takeUntil, timeout, TimeoutError } from 'rxjs';

import type { Agent } from '../../../../lib/model/agentType';
import { InvalidArgumentError, toFailure } from '../../../../lib/model/failure';
import { nextAfter, replaceLife } from '../../client/broken/brokenLife';
import type { EngineContext } from '../../client/engineContext';
import { paceOf, serviceFor } from '../../client/engineContext';
import { resultOf } from '../../client/lifeResult';
import type { RestateEngine } from '../../client/restateEngine';
import { lifeTrouble, lostLives } from '../../client/stuckLives';
import type { Ingress } from '../../protocol/ingress';
import { keyOf, lifeOf } from '../../protocol/serviceNames';

const BEGIN_MS = 10_000;
const ANSWER_MS = 30_000;

/** Where lives are looked for that the server cannot bring on. */
export interface Looking {
  readonly agents: readonly Agent<never, unknown>[];
  readonly ingress: Ingress;
  readonly admin: Ingress;
  /** Begins the lives behind them. */
  readonly engine: RestateEngine;
  /** Aborted when nobody looks any more. */
  readonly signal: AbortSignal;
}

/** Runs whose lives the server cannot bring on, because their journals do not fit the code that is served now. */
export interface LostRuns {
  /** Ends each such life, and begins another one of its run: also behind those that somebody has ended for that, and then was gone himself. */
  goOn(): Promise<void>;
}

/** Looks for such runs. */
export function lostRuns(looking: Looking): LostRuns {
  return new LookedFor(looking);
}

class LookedFor implements LostRuns {
  readonly #agents: Looking['agents'];
  readonly #context: EngineContext;
  readonly #admin: Ingress;
  readonly #engine: RestateEngine;
  readonly #signal: AbortSignal;
  /** Lives that were killed of which nothing is to be done any more. */
  readonly #settled = new Set<string>();
  readonly #warned = new Set<string>();

  constructor({ agents, ingress, admin, engine, signal }: Looking) {
    this.#agents = agents;
    this.#context = { ingress, admin, patienceMs: ANSWER_MS, pace: paceOf() };
    this.#admin = admin;
    this.#engine = engine;
    this.#signal = signal;
  }

  async goOn(): Promise<void> {
    for (const agent of this.#agents) {
      const service = serviceFor(agent);
      const { misfits, killed } = await lostLives(this.#admin, service);
      await this.#each(misfits, (key) => this.#replace(agent, key));
      const open = killed.filter((key) => !this.#settled.has(`${service} ${key}`));
      await this.#each(open, (key) => this.#follow(agent, key));
    }
  }

  /** One run that cannot be gone on with keeps no other waiting. */
  async #each(keys: readonly string[], bring: (key: string) => Promise<void>): Promise<void> {
    for (const key of keys) {
      try {
        await bring(key);
      } catch (error) {
        if (this.#signal.aborted) return;
        // The next look finds it again.
        if (error instanceof TimeoutError) continue;
        const text = `Cannot go on with run "${lifeOf(key).runId}": ${toFailure(error).message}`;
        if (!this.#warned.has(text)) process.emitWarning(text, 'RestateWarning');
        this.#warned.add(text);
      }
    }
  }

  async #replace(agent: Agent<never, unknown>, key: string): Promise<void> {
    const service = serviceFor(agent);
    const trouble = await lifeTrouble(this.#admin, service, key);
    if (trouble?.isMisfit !== true) return;
    await replaceLife(this.#context, this.#admin, service, { key, id: trouble.id });
    await this.#begin(agent, key);
  }

  /** Begins a life behind one that was killed, unless there is one, or none shall be. */
  async #follow(agent: Agent<never, unknown>, key: string): Promise<void> {
    const { runId, life } = lifeOf(key);
    const next = await resultOf(this.#context, agent, keyOf(runId, life + 1));
    const settle = (): void => {
      this.#settled.add(`${serviceFor(agent)} ${key}`);
    };
    try {
      if (next === 'unknown' && (await nextAfter(this.#context, agent, key)).isReplaced)
        await this.#begin(agent, key);
    } catch (error) {
      // It stays so; anything else may succeed another time.
      if (error instanceof InvalidArgumentError) settle();
      throw error;
    }
    settle();
  }

  /** Begins the life behind one that has broken off. Where it has not begun in time, the next look finds that it has not. */
  async #begin(agent: Agent<never, unknown>, key: string): Promise<void> {
    const { runId } = lifeOf(key);
    this.#signal.throwIfAborted();
    // What another agent has done, such as an item's of another name, is not taken for the work of this one: it is done again.
    const asked = { agent, runId, input: undefined, onMismatch: 'actual', mustExist: true } as const;
    await new Promise<void>((resolve, reject) => {
      this.#engine
        .run(asked)
        .pipe(take(1), timeout(BEGIN_MS), takeUntil(fromEvent(this.#signal, 'abort')))
        .subscribe({ complete: resolve, error: reject });
    });
  }
}
