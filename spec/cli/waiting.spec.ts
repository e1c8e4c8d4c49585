import { lastValueFrom } from 'rxjs';

import { untilRest } from '../../cli/resting';
import { answer, execute, memoryStore, resume } from '../../index';
import { contract } from './support/flows';

const context = { signal: new AbortController().signal };

describe('waiting for a run that was answered', () => {
  it('is over at once where whoever serves was quicker than the command', async () => {
    const store = memoryStore();
    await execute(contract, 'rent', { store, runId: 'r' });
    const [before] = await store.listRuns();
    await answer('r', 'sign', { ok: true }, { store });
    await lastValueFrom(resume(contract, 'r', { store }));

    await expect(untilRest(store, before!, 300, context)).resolves.toMatchObject({ status: 'COMPLETED' });
  });

  it('ends by name where nobody goes on with it', async () => {
    const store = memoryStore();
    await execute(contract, 'rent', { store, runId: 'r' });
    const [before] = await store.listRuns();
    await answer('r', 'sign', { ok: true }, { store });

    await expect(untilRest(store, before!, 50, context)).rejects.toMatchObject({ code: 'TIMED_OUT' });
  });
});
