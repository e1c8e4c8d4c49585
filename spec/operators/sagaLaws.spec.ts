import { setTimeout as wait } from 'node:timers/promises';

import * as fc from 'fast-check';
import { identity, take, tap } from 'rxjs';

import {
  agent,
  cancel,
  chain,
  execute,
  fallback,
  firstOf,
  memoryStore,
  run,
  saga,
  workflow,
} from '../../index';
import type { Agent, RunState, Wire } from '../../index';

type Shape =
  | { readonly kind: 'book' | 'fail'; readonly ms: number }
  | { readonly kind: 'saga'; readonly inner: Shape }
  | { readonly kind: 'limited'; readonly inner: Shape; readonly ms: number }
  | { readonly kind: 'chain' | 'both' | 'fallback' | 'race'; readonly parts: readonly [Shape, Shape] };

const { shape } = fc.letrec<{ shape: Shape }>((tie) => {
  const ms = fc.integer({ min: 0, max: 4 });
  return {
    shape: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.record({ kind: fc.constantFrom('book' as const, 'book' as const, 'fail' as const), ms }),
      fc.record({ kind: fc.constant('saga' as const), inner: tie('shape') }),
      fc.record({ kind: fc.constant('saga' as const), inner: tie('shape') }),
      fc.record({
        kind: fc.constantFrom('chain' as const, 'both' as const, 'fallback' as const, 'race' as const),
        parts: fc.tuple(tie('shape'), tie('shape')),
      }),
      fc.record({ kind: fc.constant('limited' as const), inner: tie('shape'), ms }),
    ),
  };
});

/** What the world outside has seen: bookings by the path of their step. */
interface Ledger {
  readonly booked: Map<string, number>;
  readonly undone: Map<string, number>;
  readonly keys: Set<string>;
}

function count(counts: Map<string, number>, path: string): void {
  counts.set(path, (counts.get(path) ?? 0) + 1);
}

function build(shape: Shape, ledger: Ledger, next: () => string): Agent<unknown, unknown> {
  const inner = (part: Shape): Agent<unknown, unknown> => build(part, ledger, next);
  const id = next();
  switch (shape.kind) {
    case 'book':
      return agent(
        `book${id}`,
        async (_: unknown, context) => {
          await wait(shape.ms);
          if (context.signal.aborted) throw new Error('stopped before it booked');
          count(ledger.booked, context.path);
          return context.path;
        },
        {
          // Outside, the key of a call that is made again tells that it is the same one.
          compensate: async (path, { idempotencyKey }) => {
            await wait(1);
            if (!ledger.keys.has(idempotencyKey)) count(ledger.undone, path);
            ledger.keys.add(idempotencyKey);
          },
        },
      );
    case 'fail':
      return agent(`fail${id}`, async () => {
        await wait(shape.ms);
        throw new Error('fails');
      });
    case 'saga':
      return saga(`saga${id}`, inner(shape.inner));
    case 'limited': {
      const part = inner(shape.inner);
      return workflow(`limited${id}`, (input: Wire<unknown>, step) =>
        step('part', part, input, { timeoutMs: shape.ms + 1 }),
      );
    }
    case 'chain': {
      const [a, b] = shape.parts.map(inner) as [Agent<unknown, unknown>, Agent<unknown, unknown>];
      return chain(`chain${id}`, a, b);
    }
    case 'both': {
      const [a, b] = shape.parts.map(inner) as [Agent<unknown, unknown>, Agent<unknown, unknown>];
      return workflow(`both${id}`, (input: Wire<unknown>, step) => ({
        a: step('a', a, input),
        b: step('b', b, input),
      }));
    }
    case 'fallback': {
      const [a, b] = shape.parts.map(inner) as [Agent<unknown, unknown>, Agent<unknown, unknown>];
      return fallback(`fallback${id}`, a, b);
    }
    case 'race': {
      const [a, b] = shape.parts.map(inner) as [Agent<unknown, unknown>, Agent<unknown, unknown>];
      return firstOf(`race${id}`, a, b);
    }
  }
}

/** The sagas around a step, by their paths, and whether one of them has completed with all that is around it up to the run. */
function standsBySaga(state: RunState, path: string): boolean | undefined {
  const around = [...state.steps].filter(
    ({ stepId, agent: name }) => name.startsWith('saga') && path.startsWith(`${stepId}/`),
  );
  if (around.length === 0) return undefined;
  return around.every(({ status }) => status === 'COMPLETED');
}

describe('sagas, whatever they are made of', () => {
  it('undo each booking at most once, all of a saga that went back or was stopped, and nothing of one that completed', async () => {
    await fc.assert(
      fc.asyncProperty(
        shape,
        fc.option(fc.nat(30), { nil: undefined }),
        fc.boolean(),
        async (made, stopAt, asked) => {
          const ledger: Ledger = { booked: new Map(), undone: new Map(), keys: new Set() };
          let named = 0;
          const self = saga(
            'whole',
            build({ kind: 'chain', parts: [made, { kind: 'book', ms: 0 }] }, ledger, () =>
              String((named += 1)),
            ),
          );
          const store = memoryStore();
          if (stopAt !== undefined) {
            let seen = 0;
            await new Promise<void>((resolve) => {
              run(self, 1, { store, runId: 'r' })
                .pipe(
                  tap(() => {
                    seen += 1;
                    if (seen === stopAt && asked) void cancel('r', { store }).catch(() => undefined);
                  }),
                  asked ? identity : take(stopAt + 1),
                )
                .subscribe({ error: () => resolve(), complete: () => resolve() });
            });
          }
          let state = await execute(self, 1, { store, runId: 'r' });
          for (let life = 0; life < 2 && state.status !== 'COMPLETED'; life += 1)
            state = await execute(self, 1, { store, runId: 'r' });

          for (const [path, times] of ledger.undone) {
            expect([path, times]).toEqual([path, 1]);
            expect(ledger.booked.has(path)).toBe(true);
          }
          for (const [path] of ledger.booked) {
            const stands = state.status === 'COMPLETED' && standsBySaga(state, path) !== false;
            expect([path, ledger.undone.has(path)]).toEqual([path, !stands]);
          }
        },
      ),
      { numRuns: Number(process.env['SAGAS'] ?? 50) },
    );
  }, 60_000);
});
