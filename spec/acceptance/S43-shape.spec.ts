import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as rx from 'rxjs';
import { from, isObservable, lastValueFrom, scan, toArray } from 'rxjs';

import * as millrace from '../../index';
import {
  agent,
  chain,
  execute,
  lowdbStore,
  memoryStore,
  outcomes,
  reduceRun,
  run,
  workflow,
} from '../../index';
import { initialState } from '../../lib/definition/definition';
import type { RunState, Wire } from '../../index';

const a = agent('a', (x: number) => x + 1);
const b = agent('b', (x: number) => x * 2);

describe('S43 the shape', () => {
  it('agents, chains and workflows are RxJS operators', async () => {
    const w = workflow('w', (input: Wire<number>, step) => step('b', b, step('a', a, input)));
    expect(await lastValueFrom(from([1, 2]).pipe(a, chain('c', a, b), w, toArray()))).toEqual([14, 18]);
    expect(isObservable(run(w, 1))).toBe(true);
  });

  it('all state is the scan of the events with the one reducer', async () => {
    const work = chain('work', a, b);
    const transitions = await lastValueFrom(run(work, 1, { runId: 'r' }).pipe(toArray()));
    const states = await lastValueFrom(
      from(transitions).pipe(
        scan((state, { event }) => reduceRun(state, event), initialState(work, 'r') as RunState),
        toArray(),
      ),
    );
    expect(states).toEqual(transitions.map(({ state }) => state));
  });

  it('runs rest in JSON files that one can read', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-'));
    const store = lowdbStore(folder);
    await execute(chain('work', a, b), 1, { store, runId: 'one' });
    await store.close();
    const [file] = await readdir(join(folder, 'runs'));
    const text = await readFile(join(folder, 'runs', file!), 'utf8');
    expect(JSON.stringify(JSON.parse(text))).toContain('"stepId":"b"');
    await rm(folder, { recursive: true });
  });

  it('errors that are values are those of fp-ts', async () => {
    const outcome = await lastValueFrom(run(a, 1, { store: memoryStore() }).pipe(outcomes()));
    expect(outcome).toMatchObject({ _tag: 'Right', right: { output: 2 } });
  });

  it('no name of ours is a name of RxJS, because both are imported into one file', () => {
    const theirs = new Set(Object.keys(rx));
    expect(Object.keys(millrace).filter((name) => theirs.has(name))).toEqual([]);
  });
});
