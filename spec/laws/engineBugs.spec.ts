import fc from 'fast-check';

import * as library from '../../index';
import type { RunState, Store } from '../../index';
import type * as Scope from '../../lib/definition/scope';
import type * as CachedAnswers from '../../lib/engine/local/cachedAnswers';
import type * as PriorSteps from '../../lib/engine/interpreter/priorSteps';
import type * as NewRunId from '../../lib/engine/newRunId';
import type { GivenBy } from '../../lib/model/givenBy';
import type * as Incarnation from '../../lib/model/incarnation';
import type { RunMessage } from '../../lib/model/message';
import type * as OpenFailures from '../../lib/model/openFailures';
import type * as Messages from '../../lib/store/messages';
import type { StreamRest } from '../../lib/store/streamRest';
import type * as OutputCodec from '../../operators/agents/internal/outputCodec';
import * as testing from '../../testing';
import { belongs, histories, historiesOfRuns, World } from './support/histories';
import type { WayName } from './support/lives';
import { arbitraryCase, ways } from './support/lives';

type Laws = typeof library & typeof testing;

/** The library as it is when one of its modules is another one. */
function libraryWith(path: string, bug: (actual: never) => object): Laws {
  jest.doMock(path, () => ({ ...jest.requireActual<object>(path), ...bug(jest.requireActual<never>(path)) }));
  let loaded: Laws | undefined;
  jest.isolateModules(() => {
    loaded = {
      ...jest.requireActual<typeof library>('../../index'),
      ...jest.requireActual<typeof testing>('../../testing'),
    };
  });
  jest.dontMock(path);
  return loaded!;
}

const CASES = 400;

/** How many random structures it took until the law of promise P21 was broken; undefined when it never was. */
async function brokenAfter(lib: Laws, ...tried: readonly WayName[]): Promise<number | undefined> {
  const drawn = fc.sample(arbitraryCase, { numRuns: CASES, seed: 23 });
  for (const [index, one] of drawn.entries()) {
    for (const way of tried) {
      const holds = await ways[way](lib, one, lib.memoryStore(), 'r').then(
        () => true,
        () => false,
      );
      if (!holds) return index + 1;
    }
  }
  return undefined;
}

describe('the law that one resume is enough finds a library (P21)', () => {
  it('that opens one failure only', async () => {
    const buggy = libraryWith('../../lib/model/openFailures', (actual: typeof OpenFailures) => ({
      openFailures: (steps: RunState['steps']) => actual.openFailures(steps).slice(0, 1),
    }));
    expect(await brokenAfter(buggy, 'resumed')).toBeDefined();
  });

  it('that opens what a composite has made up for', async () => {
    const buggy = libraryWith('../../lib/model/openFailures', () => ({
      openFailures: ({ rows }: never) => rows,
      isWithinFact: () => false,
    }));
    expect(await brokenAfter(buggy, 'resumed')).toBeDefined();
  });

  it('that calls again what has completed', async () => {
    const buggy = libraryWith(
      '../../lib/engine/interpreter/priorSteps',
      ({ savedAnswer }: typeof PriorSteps) => ({
        savedAnswer: (...[task, saved]: Parameters<typeof savedAnswer>) =>
          saved.status === 'COMPLETED' && saved.stepId.endsWith(']') ? undefined : savedAnswer(task, saved),
      }),
    );
    expect(await brokenAfter(buggy, 'resumed', 'crashed')).toBeDefined();
  });

  it('that guesses which of several agents gave an output', async () => {
    const buggy = libraryWith(
      '../../operators/agents/internal/outputCodec',
      ({ alternativesForm, formOf }: typeof OutputCodec) => ({
        oneOfForm(agents: Iterable<readonly [string, unknown]>) {
          const forms = new Map([...agents].map(([id, agent]) => [id, formOf(agent)] as const));
          const [first] = forms.keys();
          return (givenBy: GivenBy | undefined) =>
            alternativesForm(forms)(givenBy === undefined ? givenBy : first);
        },
      }),
    );
    expect(await brokenAfter(buggy, 'resumed')).toBeDefined();
  });

  it('that takes the answer to a question that may be left out for what stands in its place', async () => {
    const buggy = libraryWith('../../lib/definition/scope', ({ givenByOf }: typeof Scope) => ({
      givenByOf: (answer: Scope.Answer) =>
        givenByOf(answer) ?? (answer.kind === 'completed' ? false : undefined),
    }));
    expect(await brokenAfter(buggy, 'resumed')).toBeDefined();
  });

  it('that lets the output of a completed run rest as it was told', async () => {
    const buggy = libraryWith('../../lib/model/state', () => ({
      asStored: (state: RunState) => state,
    }));
    expect(await brokenAfter(buggy, 'restored')).toBeDefined();
  });

  it('and nothing in the library as it is', async () => {
    const drawn = fc.sample(arbitraryCase, { numRuns: 20, seed: 23 });
    for (const one of drawn) await ways.resumed({ ...library, ...testing }, one, library.memoryStore(), 'r');
  });
});

/** How many random histories it took until the law of promise P22 was broken; undefined when it never was. */
async function strayedAfter(lib: Laws, of = historiesOfRuns): Promise<number | undefined> {
  const drawn = fc.sample(of, { numRuns: CASES, seed: 22 });
  for (const [index, history] of drawn.entries()) {
    const holds = await belongs(history, new World(lib, lib.memoryStore), false).then(
      () => true,
      () => false,
    );
    if (!holds) return index + 1;
  }
  return undefined;
}

describe('the law that a record belongs finds a library (P22)', () => {
  it('that gives an answer to whoever asks', async () => {
    const buggy = libraryWith('../../lib/store/messages', ({ fateOf }: typeof Messages) => ({
      fateOf: (
        { asking: _, incarnation: __, ...message }: RunMessage & { readonly asking?: string },
        ...rest: unknown[]
      ) => (fateOf as (...given: unknown[]) => unknown)(message, ...rest),
    }));
    expect(await strayedAfter(buggy)).toBeDefined();
  });

  it('that takes a stale answer', async () => {
    const buggy = libraryWith('../../lib/store/messages', ({ addressMessage }: typeof Messages) => ({
      addressMessage: (
        runId: string,
        state: RunState,
        { asking: _, ...message }: RunMessage & { readonly asking?: string },
        at: number,
      ) => addressMessage(runId, state, message, at),
    }));
    expect(await strayedAfter(buggy)).toBeDefined();
  });

  it('that takes a run for an earlier one of the same id', async () => {
    const buggy = libraryWith('../../lib/engine/newRunId', (_: typeof NewRunId) => ({
      newIncarnation: () => '0000000000000000',
    }));
    expect(await strayedAfter(buggy)).toBeDefined();
  });

  it('that names questions without the run that asks', async () => {
    const buggy = libraryWith('../../lib/model/incarnation', (_: typeof Incarnation) => ({
      askingOf: (__: string, seq: number) => `.${String(seq)}`,
    }));
    expect(await strayedAfter(buggy)).toBeDefined();
  });

  it('that keeps answers under the name of the agent alone', async () => {
    const buggy = libraryWith('../../lib/engine/local/cachedAnswers', (_: typeof CachedAnswers) => ({
      cacheKeyOf: ({ definition }: { readonly definition: { readonly name: string } }) => definition.name,
    }));
    expect(await strayedAfter(buggy)).toBeDefined();
  });

  it('that answers for an item what was decided for another one of its key', async () => {
    const buggy = libraryWith('../../lib/engine/interpreter/priorSteps', (_: typeof PriorSteps) => ({
      misfit: () => undefined,
    }));
    expect(await strayedAfter(buggy)).toBeDefined();
  });

  it('that reads what an agent gave in the form of another one', async () => {
    const buggy = libraryWith(
      '../../operators/agents/internal/outputCodec',
      ({ alternativesForm, formOf }: typeof OutputCodec) => ({
        oneOfForm(agents: Iterable<readonly [string, unknown]>) {
          const forms = new Map([...agents].map(([id, agent]) => [id, formOf(agent)] as const));
          const [first] = forms.keys();
          return (givenBy: GivenBy | undefined) =>
            alternativesForm(forms)(givenBy === undefined ? givenBy : first);
        },
      }),
    );
    expect(await strayedAfter(buggy)).toBeDefined();
  });

  it.each<[string, (streams: StreamRest) => Partial<StreamRest>]>([
    ['goes on with a stream that was forgotten', () => ({ delete: () => Promise.resolve(true) })],
    [
      'takes what one stream has read for what another one has',
      (streams) => ({ claim: () => streams.claim('one') }),
    ],
  ])('that %s', async (_bug, change) => {
    const lib = { ...library, ...testing };
    const memoryStore = (): Store => {
      const store = library.memoryStore();
      const { streams } = store;
      const own: StreamRest = {
        claim: (name) => streams.claim(name),
        list: () => streams.list(),
        delete: (name) => streams.delete(name),
        ...change(streams),
      };
      return Object.defineProperty(store, 'streams', { value: own });
    };
    expect(await strayedAfter({ ...lib, memoryStore }, histories)).toBeDefined();
  });

  it('and nothing in the library as it is', async () => {
    const drawn = fc.sample(histories, { numRuns: 20, seed: 22 });
    const lib = { ...library, ...testing };
    for (const history of drawn) await belongs(history, new World(lib, lib.memoryStore), false);
  });
});
