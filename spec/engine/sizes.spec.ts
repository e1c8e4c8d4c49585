import { lastValueFrom, tap } from 'rxjs';

import type { RestateEngine, RestateWorker } from '../../adapters/restate';
import { restateEngine, serveRestate } from '../../adapters/restate';
import type { Wire } from '../../index';
import { agent, execute, live, run, settled, workflow } from '../../index';
import { describePlacements } from './support/placements';
import type { RestateServer } from './support/restateServer';
import { freePorts, restateBinary, startRestate, waitFor } from './support/restateServer';

const calls = { telling: 0, loud: 0, asking: 0, odd: 0 };
const large = 'x'.repeat(3_000_000);
const telling = agent('telling', (n: number, context) => {
  calls.telling += 1;
  for (let i = 0; i < 12; i += 1) context.emit(large);
  return n;
});
const loud = agent('loud', () => {
  calls.loud += 1;
  throw Object.assign(new Error('x'.repeat(34_000_000)), { retryable: false });
});
const inner = agent('inner', (n: number, context) => {
  for (let i = 0; i < 4; i += 1) context.emit(large.slice(0, 500_000));
  return n + 1;
});
const asking = agent('asking', (n: number, context) => {
  calls.asking += 1;
  return context.step('inner', inner, n);
});
const source = agent('source', (n: number, context) => {
  for (let i = 0; i < 12; i += 1) context.emit(large);
  return n;
});
const reader = agent<unknown, number>('reader', () => 0);
const readLive = workflow('read live', (n: Wire<number>, step) => {
  const from = step('source', source, n);
  return settled([from, step('reader', reader, live(from))]);
});

const odd = agent(
  'odd',
  (_: number, context) => {
    calls.odd += 1;
    context.emit('a');
    // No JSON keeps it.
    context.emit(new Map());
    return new Promise<string>(() => undefined);
  },
  { retry: 2 },
);
const all = agent('all', async (texts: AsyncIterable<unknown>) => {
  let text = '';
  for await (const one of texts) text += String(one);
  return text;
});
const held = { release: (): void => undefined };
const released = new Promise<void>((resolve) => {
  held.release = resolve;
});
const odds = workflow('odds', (n: Wire<number>, step) => {
  const from = step('odd', odd, n);
  const read = step('all', all, live(from));
  return step('held', (given: unknown) => released.then(() => given), settled([from, read]));
});

describePlacements('what is large on Restate', [loud, readLive], (options) => {
  it('cuts the message of an error that no message carries', async () => {
    const before = calls.loud;
    const { status, error } = await execute(loud, undefined, options);

    expect(status).toBe('FAILED');
    expect(error?.message).toMatch(/^x+… \[34000000 characters\]$/);
    expect(calls.loud - before).toBe(1);
  });

  it('fails a step by name that gives those who read it more than can be kept', async () => {
    const { output } = await execute(readLive, 1, options);

    expect(output).toMatchObject([
      { _tag: 'Left', left: { name: 'StateValueError', message: expect.stringContaining('"source"') } },
      { _tag: 'Right' },
    ]);
  });
});

const describeHere = restateBinary() === undefined ? describe.skip : describe;

describeHere('partial results on Restate', () => {
  let server: RestateServer;
  let worker: RestateWorker;
  let engine: RestateEngine;

  beforeAll(async () => {
    server = await startRestate();
    const { ingress, admin } = server;
    const [port = 0] = await freePorts(1);
    worker = await serveRestate([telling, asking, odds], { port, ingress, admin });
    engine = restateEngine({ ingress, admin });
  });
  afterAll(async () => {
    await worker.close();
    await server.stop();
  });

  it.each([
    ['tells', telling, { output: 1, told: 12 }, () => calls.telling],
    ['has a step below it tell', asking, { output: 2, told: 5 }, () => calls.asking],
  ])('calls an agent once that %s more than it may at once', async (_, asked, expected, count) => {
    let told = 0;
    const { state } = await lastValueFrom(
      run(asked, 1, { engine }).pipe(
        tap(({ event }) => {
          if (event.type === 'step.emitted') told += 1;
        }),
      ),
    );

    expect({ output: state.output, told }).toEqual(expected);
    expect(count()).toBe(1);
  });

  it('fail their step the same way when another worker takes the run over', async () => {
    const ended = execute(odds, 1, { engine, runId: 'odd' });
    await waitFor(
      async () => (await engine.loadRun(odds, 'odd'))?.steps.get('held')?.status === 'RUNNING',
      10_000,
      'the last step',
    );
    await worker.close();
    worker = await serveRestate([odds], { port: worker.port, ingress: server.ingress });
    held.release();
    const { status, output } = await ended;

    expect(status).toBe('COMPLETED');
    expect(output).toMatchObject([
      { _tag: 'Left', left: { name: 'StateValueError', path: 'odd' } },
      { _tag: 'Left', left: { name: 'StateValueError', path: 'odd' } },
    ]);
    expect(calls.odd).toBe(1);
  });
});
