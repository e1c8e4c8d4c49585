import assert from 'node:assert/strict';

import type { Observable } from 'rxjs';
import { firstValueFrom, toArray } from 'rxjs';

import type { RunEvent, StepLogged } from '../../lib/model/event';
import { reduceRunAll } from '../../lib/model/reduce';
import { idleState } from '../../lib/model/state';
import type { KeptEvent, RunChange, Store } from '../../lib/store/store';
import { append, life, throughJson } from './life';
import type { StoreCase } from './storeCase';
import { anHourAgo, becomes, refuses, rest, restingState } from './storeCase';

/** The kept events of a run that rests. */
function eventsOf(store: Store, runId: string, after = 0): Promise<readonly KeptEvent[]> {
  return firstValueFrom(store.events(runId, { after }).pipe(toArray()));
}

/** What somebody hears, who listens from now on. */
function hearing<T>(source: Observable<T>): { readonly heard: T[]; isOver: boolean; leave: () => void } {
  const heard: T[] = [];
  const ear: ReturnType<typeof hearing<T>> = { heard, isOver: false, leave: () => undefined };
  const subscription = source.subscribe({
    next: (item) => heard.push(item),
    complete: () => (ear.isOver = true),
    error: () => undefined,
  });
  ear.leave = () => {
    subscription.unsubscribe();
  };
  return ear;
}

function offsets(count: number, from = 1): readonly number[] {
  return Array.from({ length: count }, (_, index) => from + index);
}

async function foldsToState(store: Store, runId: string): Promise<void> {
  const events = (await eventsOf(store, runId)).map(({ event }) => event);
  const folded = reduceRunAll(idleState(runId, '', []), events);
  assert.deepEqual(throughJson(folded), throughJson(await store.loadRun(runId)));
}

const line = (runId: string, seq: number): StepLogged => ({
  type: 'step.logged',
  runId,
  seq,
  at: anHourAgo(),
  path: 's0',
  level: 'INFO',
  message: 'hello',
  data: { n: 1, password: 'hunter2' },
});

/** The events that stay, and what is told of changes. */
export const keptEvents: readonly StoreCase[] = [
  {
    name: 'events: stay in order, numbered without gaps, and folded give the state',
    async check({ store }) {
      const events = life('book', 3, (step) => ({ step, text: '.'.repeat(step * 2_000) }));
      const claim = await store.claim('book');
      await append(claim, events.slice(0, 2));
      claim.keep?.(line('book', 2));
      await append(claim, events.slice(2));
      await claim.release(undefined);
      await rest(store, 'other');
      const kept = await eventsOf(store, 'book');
      assert.deepEqual(
        kept.map(({ offset }) => offset),
        offsets(kept.length),
      );
      const told = (event: RunEvent) => JSON.parse(JSON.stringify(event)) as RunEvent;
      assert.deepEqual(
        kept.map(({ event }) => event).filter(({ type }) => type !== 'step.logged'),
        events.map(told),
      );
      if (claim.keep !== undefined) {
        const { message, data } = kept[2]?.event as StepLogged;
        assert.equal(message, 'hello');
        assert.deepEqual(data, { n: 1, password: '[redacted]' });
      }
      await foldsToState(store, 'book');
    },
  },
  {
    name: 'events: begin behind an offset',
    async check({ store }) {
      await rest(store, 'book');
      const all = await eventsOf(store, 'book');
      assert.deepEqual(await eventsOf(store, 'book', 3), all.slice(3));
      assert.deepEqual(await eventsOf(store, 'book', all.length), []);
      await refuses(async () => eventsOf(store, 'book', -1), 'InvalidArgumentError');
    },
  },
  {
    name: 'events: follow a life under way, and end with it',
    async check({ store }) {
      const events = life('book', 2);
      const claim = await store.claim('book');
      await append(claim, events.slice(0, 2));
      const ear = hearing(store.events('book'));
      await becomes(() => ear.heard.length === 2, 'what was there is told');
      await append(claim, events.slice(2, 4));
      await becomes(() => ear.heard.length === 4, 'what comes later is told');
      assert.equal(ear.isOver, false, 'the life is still under way');
      await append(claim, events.slice(4));
      await becomes(() => ear.isOver, 'the end of the life ends the events');
      assert.deepEqual(
        ear.heard.map(({ offset }) => offset),
        offsets(events.length),
      );
      await claim.release(undefined);
    },
  },
  {
    name: 'events: go on with later lives when they are followed live, until the run is forgotten',
    async check({ store }) {
      const events = life('book', 1);
      await rest(store, 'book', events);
      const ear = hearing(store.events('book', { after: 1, live: true }));
      await becomes(() => ear.heard.length === events.length - 1, 'what was there is told');
      const claim = await store.claim('book');
      const seq = events.length + 1;
      const at = anHourAgo();
      await append(claim, [
        { type: 'run.resumed', runId: 'book', seq, at, life: 2, reused: 0, dropped: ['s0'] },
        { type: 'run.cancelled', runId: 'book', seq: seq + 1, at, duration: 0 },
      ]);
      await claim.release(undefined);
      await becomes(() => ear.heard.length === events.length + 1, 'the next life is told');
      assert.equal(ear.isOver, false, 'the run is still kept');
      await foldsToState(store, 'book');
      await store.deleteRun('book');
      await becomes(() => ear.isOver, 'nothing comes of a run that is forgotten');
    },
  },
  {
    name: 'events: of a run that was put in begin with how it stood',
    async check({ store }) {
      const state = await restingState(store, 'book', life('book', 2).slice(0, 4));
      await store.importRun({ ...state, runId: 'fork' });
      const [first, ...others] = await eventsOf(store, 'fork');
      assert.deepEqual([first?.offset, first?.event.type, others], [1, 'run.imported', []]);
      await foldsToState(store, 'fork');
      const claim = await store.claim('fork');
      const at = anHourAgo();
      await append(claim, [{ type: 'run.cancelled', runId: 'fork', seq: state.seq + 1, at, duration: 0 }]);
      await claim.release(undefined);
      assert.deepEqual(
        (await eventsOf(store, 'fork')).map(({ event }) => event.type),
        ['run.imported', 'run.cancelled'],
      );
      await foldsToState(store, 'fork');
    },
  },
  {
    name: 'events: of a run that was put in with its events are those, and go on behind them',
    async check({ store }) {
      const state = await restingState(store, 'book', life('book', 2).slice(0, 4));
      const before = (await eventsOf(store, 'book')).map(({ event }) => event);
      await store.importRun(
        { ...state, runId: 'moved' },
        before.map((event) => ({ ...event, runId: 'moved' })),
      );
      const claim = await store.claim('moved');
      const at = anHourAgo();
      await append(claim, [{ type: 'run.cancelled', runId: 'moved', seq: state.seq + 1, at, duration: 0 }]);
      await claim.release(undefined);
      const kept = await eventsOf(store, 'moved');
      assert.deepEqual(
        kept.map(({ offset, event }) => [offset, event.type]),
        [...before.map(({ type }) => type), 'run.cancelled'].map((type, index) => [index + 1, type]),
      );
      await foldsToState(store, 'moved');
    },
  },
  {
    name: 'events: of nobody are refused, and go with their run',
    async check({ store }) {
      await refuses(async () => eventsOf(store, 'book'), 'UnknownRunError');
      await rest(store, 'book');
      await store.deleteRun('book');
      await refuses(async () => eventsOf(store, 'book'), 'UnknownRunError');
      const events = await rest(store, 'book', life('book', 1));
      assert.equal((await eventsOf(store, 'book')).length, events.length);
    },
  },
  {
    name: 'changes: tell how runs stand when they have changed, and which are gone',
    async check({ store }) {
      await rest(store, 'before');
      const ear = hearing(store.changes());
      // It tells what changes from its first look on, and does not say when that was.
      let signs = 0;
      const isHeard = async (): Promise<boolean> => {
        await rest(store, `sign ${String((signs += 1))}`);
        return ear.heard.some((change) => 'runId' in change && change.runId.startsWith('sign'));
      };
      await becomes(isHeard, 'a change is told');
      await rest(store, 'book');
      const isDone = (change: RunChange) =>
        'runId' in change && change.runId === 'book' && change.status === 'COMPLETED';
      await becomes(() => ear.heard.some(isDone), 'the end of a run is told');
      await store.deleteRun('book');
      await becomes(
        () => ear.heard.some((change) => 'gone' in change && change.gone === 'book'),
        'a run that is gone is told',
      );
      assert.ok(
        !ear.heard.some((change) => 'runId' in change && change.runId === 'before'),
        'what has not changed is told',
      );
      ear.leave();
    },
  },
];
