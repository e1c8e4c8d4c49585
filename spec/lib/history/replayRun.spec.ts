import { lastValueFrom, toArray, VirtualTimeScheduler } from 'rxjs';

import { agent, chain, run } from '../../../index';
import { replay } from '../../../lib/history/replayRun';
import { stepTree } from '../../../lib/history/stepTree';

const work = chain(
  'work',
  agent('double', (n: number) => n * 2),
  agent('text', (n: number) => `it is ${n}`),
);

describe('replay()', () => {
  it('tells the same transitions again, as often as somebody asks', async () => {
    const told = await lastValueFrom(run(work, 4).pipe(toArray()));
    const events = told.map(({ event }) => event);

    const told$ = replay(events);
    for (let time = 0; time < 2; time += 1) {
      const transitions = await lastValueFrom(told$.pipe(toArray()));
      expect(transitions.map(({ event }) => event)).toEqual(events);
      expect(transitions.at(-1)?.state.status).toBe('COMPLETED');
      expect(transitions.at(-1)?.state.output).toBe('it is 8');
    }
  });

  it('keeps the pace that the run had where that is asked for', () => {
    const clock = new VirtualTimeScheduler();
    const common = { runId: 'r', seq: 1 };
    const heard: [number, string][] = [];
    replay(
      [
        { ...common, type: 'run.started', name: 'work', input: 1, plan: [], at: 1_000 },
        { ...common, seq: 2, type: 'step.started', path: 'a', agent: 'a', attempt: 1, at: 1_030 },
        {
          ...common,
          seq: 3,
          type: 'step.completed',
          path: 'a',
          agent: 'a',
          attempt: 1,
          output: 1,
          duration: 0,
          at: 1_100,
        },
      ],
      { isPaced: true, scheduler: clock },
    ).subscribe(({ event }) => heard.push([clock.now(), event.type]));
    clock.flush();

    expect(heard).toEqual([
      [0, 'run.started'],
      [30, 'step.started'],
      [100, 'step.completed'],
    ]);
  });
});

describe('stepTree()', () => {
  it('puts each step below what it stands in, in the order in which they were named', () => {
    const { steps } = stepTree(['pages', 'pages[1]/read', 'pages[0]/read', 'write']);

    expect(steps).toEqual([
      {
        path: 'pages',
        name: 'pages',
        steps: [
          { path: 'pages[1]', name: '[1]', steps: [{ path: 'pages[1]/read', name: 'read', steps: [] }] },
          { path: 'pages[0]', name: '[0]', steps: [{ path: 'pages[0]/read', name: 'read', steps: [] }] },
        ],
      },
      { path: 'write', name: 'write', steps: [] },
    ]);
    expect(stepTree([])).toEqual({ path: '', name: '', steps: [] });
  });
});
