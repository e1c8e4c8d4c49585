import { memoryStore } from '../../index';
import type { StreamClaim } from '../../lib/store/streamRest';
import type * as StreamItems from '../../lib/streams/streamItem';
import type * as OpenStreams from '../../operators/streams/internal/openStream';
import type * as Sessions from '../../operators/streams/internal/streamSession';
import { check, checkGrowing } from './support/streamChecks';
import type { World } from './support/streamLaw';
import type * as Lives from './support/streamLife';
import { streamOf } from './support/streamLife';

/** The library with one module changed. */
function worldWith<M extends object>(path: string, bug: (module: M) => Partial<M>): World {
  let world: World | undefined;
  jest.isolateModules(() => {
    const actual = jest.requireActual<M>(path);
    jest.doMock(path, () => ({ ...actual, ...bug(actual) }));
    const lives = jest.requireActual<typeof Lives>('./support/streamLife');
    const { memoryStore: newStore } = jest.requireActual<{ memoryStore: typeof memoryStore }>('../../index');
    world = { memoryStore: newStore, streamOf: lives.streamOf };
    jest.dontMock(path);
  });
  return world as unknown as World;
}

const around = (bug: (claim: StreamClaim) => Partial<StreamClaim>): World => ({
  memoryStore,
  streamOf,
  around: (claim) => ({ ...claim, ...bug(claim) }),
});

/*
 * A law that cannot fail says nothing: each of these has to be found.
 */
describe('the law finds a stream', () => {
  const streams = '../../operators/streams/internal';
  it.each<[string, () => World]>([
    [
      'whose rows become durable without the offset',
      () => around((claim) => ({ commit: ({ offsets: _, ...change }) => claim.commit(change) })),
    ],
    [
      'whose offset becomes durable without the rows',
      () => around((claim) => ({ commit: (change) => claim.commit({ ...change, rows: [] }) })),
    ],
    [
      'whose record may be torn between its rows',
      () =>
        around((claim) => ({
          commit: (change) => claim.commit({ ...change, rows: change.rows.slice(0, 2) }),
        })),
    ],
    [
      'that loses what is deleted',
      () =>
        around((claim) => ({
          commit: (change) =>
            claim.commit({
              ...change,
              rows: change.rows.filter(({ value, patches }) => value !== undefined || patches !== undefined),
            }),
        })),
    ],
    [
      'whose offset passes what is under way',
      () =>
        worldWith<typeof StreamItems>('../../lib/streams/streamItem', ({ currentItem }) => ({
          currentItem: () => {
            const item = currentItem();
            return item && Object.assign(Object.create(item) as typeof item, { hold: () => () => undefined });
          },
        })),
    ],
    [
      'whose operators begin with the first item only, and miss an end before it',
      () =>
        worldWith<typeof OpenStreams>(`${streams}/openStream`, () => ({
          operatorsBehind: () => [],
          endingSession: () => undefined,
        })),
    ],
  ])('%s', async (_name, bug) => {
    await expect(check(bug(), 300, 1, true)).rejects.toThrow('Property failed');
  });

  it('that tells windows before it is settled that they are closed', async () => {
    const bug = worldWith<typeof Sessions>(`${streams}/streamSession`, ({ StreamSession }) => ({
      StreamSession: class extends StreamSession {
        override decide(id: string, first: () => void, then: () => boolean): void {
          this.tick(id, () => {
            first();
            return then();
          });
        }
      },
    }));

    await expect(checkGrowing(bug, 3_000, 1, true)).rejects.toThrow('Property failed');
  });
});
