import type { Observable } from 'rxjs';
import { lastValueFrom, map, NEVER, Subject, take, tap, toArray } from 'rxjs';

import type { Store, Window } from '../../../index';
import { agent, memoryStore, runEach } from '../../../index';
import { fromOffset } from '../../../operators/streams/fromOffset';
import { joined } from '../../../operators/streams/joined';
import { latestBy } from '../../../operators/streams/latestBy';
import { scanned } from '../../../operators/streams/scanned';
import { together } from '../../../operators/streams/together';
import { windowed } from '../../../operators/streams/windowed';

interface Thing {
  readonly id: string;
  readonly at: number;
}

const from =
  (things: readonly Thing[]) =>
  (offset = 0) =>
    things.slice(offset).map((value, index) => ({ offset: offset + index + 1, value }));

const options = (store = memoryStore()) => ({
  name: 'orders',
  store,
  key: { left: (thing: Thing) => thing.id, right: (thing: Thing) => thing.id },
  at: { left: (thing: Thing) => thing.at, right: (thing: Thing) => thing.at },
  withinMs: 10,
});

describe('joined()', () => {
  it('pairs items with the same key whose times are close', async () => {
    const store = memoryStore();
    const orders = [
      { id: 'a', at: 1 },
      { id: 'b', at: 2 },
    ];
    const payments = [
      { id: 'b', at: 5 },
      { id: 'a', at: 30 },
    ];

    const pairs = await lastValueFrom(
      joined(
        fromOffset(from(orders), { name: 'orders.left', store }),
        fromOffset(from(payments), { name: 'orders.right', store }),
        options(store),
      ).pipe(toArray()),
    );

    expect(pairs).toEqual([[orders[1], payments[0]]]);
  });

  it('remembers what has come over a restart, and counts each pair once', async () => {
    const store = memoryStore();
    const left: Thing[] = [{ id: 'a', at: 1 }];
    const right: Thing[] = [];
    const count = () =>
      lastValueFrom(
        joined(
          fromOffset(from(left), { name: 'l', store }),
          fromOffset(from(right), { name: 'r', store }),
          options(store),
        ).pipe(scanned('pairs', (n) => n + 1, 0)),
        { defaultValue: 'none' },
      );

    expect(await count()).toBe('none');
    right.push({ id: 'a', at: 2 });
    expect(await count()).toBe(1);
    left.push({ id: 'a', at: 3 });
    expect(await count()).toBe(2);
    expect((await store.streams.list())[0]?.offsets).toEqual({ l: 2, r: 1 });
  });

  it.each([
    ['is left', (pairs$: Observable<unknown>) => pairs$.pipe(take(1))],
    [
      'fails',
      (pairs$: Observable<unknown>) =>
        pairs$.pipe(
          map(() => {
            throw new Error('the end is down');
          }),
        ),
    ],
  ])('hands an item on again when it %s within it', async (_, end) => {
    const store = memoryStore();
    const left = [
      { id: 'a', at: 1 },
      { id: 'a', at: 2 },
    ];
    const right = [
      { id: 'a', at: 3 },
      { id: 'b', at: 4 },
    ];
    const pairs$ = joined(
      fromOffset(from(left), { name: 'l', store }),
      fromOffset(from(right), { name: 'r', store }),
      options(store),
    );

    await lastValueFrom(end(pairs$), { defaultValue: undefined }).catch(() => undefined);

    expect(await lastValueFrom(pairs$.pipe(toArray()))).toEqual(left.map((one) => [one, right[0]]));
  });

  it('forgets what can have no partner any more', async () => {
    const store = memoryStore();
    const left = [{ id: 'a', at: 1 }];
    const right = [{ id: 'b', at: 100 }];
    await lastValueFrom(
      joined(
        fromOffset(from(left), { name: 'l', store }),
        fromOffset(from(right), { name: 'r', store }),
        options(store),
      ),
      { defaultValue: undefined },
    );

    expect((await store.streams.list())[0]?.tables).toEqual({ orders: 2 });
  });
});

describe('latestBy()', () => {
  it('keeps the latest item of each key over a restart', async () => {
    const store = memoryStore();
    const things: Thing[] = [
      { id: 'a', at: 1 },
      { id: 'b', at: 2 },
      { id: 'a', at: 3 },
    ];
    const latest = () =>
      lastValueFrom(fromOffset(from(things), { name: 's', store }).pipe(latestBy('by id', ({ id }) => id)));

    expect([...(await latest()).values()]).toEqual([things[1], things[2]]);
    things.push({ id: 'c', at: 4 });
    expect([...(await latest()).keys()]).toEqual(['b', 'a', 'c']);
  });
});

describe('sessions of pairs', () => {
  it('take nothing more once a later item has closed them, though they are told when that is durable', async () => {
    const store = memoryStore();
    const payments = [100, 110, 109].map((at) => ({ id: 'a', at }));

    const sessions = await lastValueFrom(
      joined(
        fromOffset(from([{ id: 'a', at: 100 }]), { name: 'l', store }),
        fromOffset(from(payments), { name: 'r', store }),
        options(store),
      ).pipe(windowed('sessions', { gapMs: 10 }, { at: ([, { at }]) => at }), toArray()),
    );

    expect(sessions.map(({ from: begin, to }) => `${String(begin)}-${String(to)}`)).toEqual([
      '100-110',
      '109-120',
    ]);
  });
});

describe('windows behind together()', () => {
  const items = <T>(name: string, values: readonly T[], store: Store) =>
    fromOffset((offset = 0) => values.map((value, at) => ({ offset: at + 1, value })).slice(offset), {
      name,
      store,
    });
  const held = (windows: readonly Window<unknown>[]) => windows.map(({ id, items: all }) => [id, all]);

  it('hold the same in each life, also where the first source gives all it has at once', async () => {
    const store = memoryStore();
    const [a, b] = [items('a', ['a1', 'a2'], store), items('b', ['b1', 'b2'], store)];
    const windows = (...sources: readonly Observable<string>[]) =>
      together({ name: 't', store }, ...sources).pipe(windowed('w', { count: 2 }));
    const first: Window<string>[] = [];
    const never = agent('never', (_: Window<string>) => NEVER);

    const runs = windows(a, b).pipe(
      tap((window) => first.push(window)),
      runEach(never, { store }),
    );
    runs.subscribe().unsubscribe();
    const second = await lastValueFrom(windows(b, a).pipe(toArray()));

    expect(held(first)).toEqual(held(second).slice(0, first.length));
    expect(first).not.toEqual([]);
    expect(second.flatMap((window) => window.items)).toEqual(['a1', 'a2', 'b1', 'b2']);
  });

  it('come in the next life where the stream is left before they are told', async () => {
    const store = memoryStore();
    const given = new Subject<{ offset: number; value: string }>();
    const windows = (source: Observable<string>) =>
      together({ name: 't', store }, source, items('none', [], store)).pipe(windowed('w', { count: 2 }));
    const told: unknown[] = [];
    const left = windows(fromOffset(() => given, { name: 'a', store })).subscribe((window) =>
      told.push(window),
    );

    ['a1', 'a2'].forEach((value, at) => {
      given.next({ offset: at + 1, value });
    });
    left.unsubscribe();
    const rest = await lastValueFrom(windows(items('a', ['a1', 'a2', 'a3'], store)).pipe(toArray()));

    expect([told, held(rest)]).toEqual([
      [],
      [
        ['t/w 0', ['a1', 'a2']],
        ['t/w 1', ['a3']],
      ],
    ]);
  });
});
