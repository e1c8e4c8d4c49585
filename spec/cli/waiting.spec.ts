import * as t from 'io-ts';
import { lastValueFrom, Subject } from 'rxjs';

import { untilRest } from '../../cli/resting';
import type { Wire } from '../../index';
import { agent, answer, approval, execute, memoryStore, resume, workflow } from '../../index';
import { contract } from './support/flows';

const context = { signal: new AbortController().signal };
const next = 'millrace resume r';

describe('waiting for a run that was answered', () => {
  it('is over at once where whoever serves was quicker than the command', async () => {
    const store = memoryStore();
    await execute(contract, 'rent', { store, runId: 'r' });
    const [before] = await store.listRuns();
    await answer('r', 'sign', { ok: true }, { store });
    await lastValueFrom(resume(contract, 'r', { store }));

    await expect(
      untilRest(store, { before: before!, path: 'sign', next }, 15_000, context),
    ).resolves.toMatchObject({ status: 'COMPLETED' });
  });

  it('is not over where it came to rest just before the answer came', async () => {
    const store = memoryStore();
    const other = new Subject<string>();
    const both = workflow('both', (input: Wire<string>, step) => ({
      sign: step('sign', approval('sign', t.boolean), input),
      other: step(
        'other',
        agent('other', () => other),
        input,
      ),
    }));
    const running = execute(both, 'rent', { store, runId: 'r' });
    const [before] = await store.listRuns();
    expect(before).toMatchObject({ status: 'RUNNING', waiting: [{ path: 'sign' }] });
    other.next('done');
    other.complete();
    expect((await running).status).toBe('SUSPENDED');
    const answered = { before: before!, path: 'sign', next };
    await answer('r', 'sign', true, { store });

    await expect(untilRest(store, answered, 50, context)).rejects.toMatchObject({ code: 'TIMED_OUT' });
    await lastValueFrom(resume(both, 'r', { store }));
    await expect(untilRest(store, answered, 15_000, context)).resolves.toMatchObject({ status: 'COMPLETED' });
  });

  it('ends by name where nobody goes on with it', async () => {
    const store = memoryStore();
    await execute(contract, 'rent', { store, runId: 'r' });
    const [before] = await store.listRuns();
    await answer('r', 'sign', { ok: true }, { store });

    await expect(
      untilRest(store, { before: before!, path: 'sign', next }, 50, context),
    ).rejects.toMatchObject({
      code: 'TIMED_OUT',
      next,
    });
  });
});
