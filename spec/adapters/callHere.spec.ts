import type { HereCall, HereOptions } from '../../adapters/restate/callHere';
import { callHere } from '../../adapters/restate/callHere';
import type { Part } from '../../adapters/restate/protocol';
import type { Teller } from '../../adapters/restate/teller';
import { agent } from '../../index';
import type { Agent, LimitPolicy } from '../../index';
import { definitionOf } from '../../lib/graph/definition';
import type { StepResult } from '../../lib/model/stepResult';
import { StepTable } from '../../lib/model/stepTable';
import { memoryCache } from '../../lib/store/answerCache';
import { newTask } from '../../operators/engineKit';

/** Tells at once, into a list. */
function listTeller(parts: Part[]): Teller {
  return {
    add: (part) => void parts.push(part),
    preview: () => undefined,
    flush: () => Promise.resolve(),
    settled: () => Promise.resolve(),
    take: () => [],
    told: () => 0,
    close: () => undefined,
  };
}

function callOf(called: Agent<number, unknown>, options: Partial<HereOptions> = {}): HereCall {
  const definition = definitionOf(called);
  if (definition === undefined) throw new TypeError('not an agent');
  const task = newTask(undefined, 'step', definition, definition.policy, 1, () => undefined);
  task.attempt = 1;
  return callHere({
    runId: 'run',
    task,
    input: 1,
    teller: listTeller([]),
    keepPartials: false,
    keepsBelow: false,
    cache: memoryCache(),
    known: () => Promise.resolve(undefined),
    underWay: new Set(),
    ...options,
  });
}

describe('a call of a function on a worker', () => {
  it('gives its room to the next one, also where the function answers at once', async () => {
    const limit: LimitPolicy = { concurrency: 1 };
    const now = agent('now', (n: number) => n + 1);
    await expect(callOf(now, { limit }).run()).resolves.toMatchObject({ kind: 'done', output: 2 });
    await expect(callOf(now, { limit }).run()).resolves.toMatchObject({ kind: 'done', output: 2 });
  });

  it('is under way until it has ended, however it ends', async () => {
    const underWay = new Set<HereCall>();
    const slow = agent('slow', () => new Promise((resolve) => setTimeout(resolve, 5, 'late')));
    const first = callOf(slow, { underWay });
    const second = callOf(slow, { underWay });
    const answers = [first.run(), second.run()];
    expect(underWay).toEqual(new Set([first, second]));
    second.stop();
    expect(underWay).toEqual(new Set([first]));
    await expect(Promise.all(answers)).resolves.toMatchObject([
      { kind: 'done', output: 'late' },
      { kind: 'stopped' },
    ]);
    expect(underWay.size).toBe(0);
  });

  it('has no end while it cannot be read what was done below it', async () => {
    const inner = agent('inner', (n: number) => n * 10);
    const asking = agent('asking', (n: number, context) => context.step('inner', inner, n));
    const row: StepResult = {
      stepId: 'step/inner',
      agent: 'inner',
      status: 'COMPLETED',
      attempts: 1,
      output: 10,
      duration: 0,
      error: null,
      timestamp: null,
    };
    let reads = 0;
    const known: HereOptions['known'] = () => {
      reads += 1;
      if (reads === 2) return Promise.reject(new Error('no answer'));
      return Promise.resolve(reads === 1 ? undefined : StepTable.of([row]));
    };
    await expect(callOf(asking, { keepsBelow: true, known }).run()).resolves.toMatchObject({
      kind: 'done',
      output: 10,
      below: [{ path: 'step/inner', agent: 'inner', output: 10 }],
    });
    expect(reads).toBe(3);
  });
});
