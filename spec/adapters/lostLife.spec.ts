import type { StartRequest } from '../../adapters/restate/protocol/protocol';
import { runsService } from '../../adapters/restate/worker/runsService';
import { agent } from '../../index';
import { serviceSettings } from './support/serviceSettings';

/** The handler of a workflow, as the SDK would call it. */
interface Served {
  readonly workflow: { readonly run: (context: unknown, request: StartRequest) => Promise<unknown> };
}

describe('a life whose server is lost', () => {
  it('calls no function that it had not begun to call: another worker does', async () => {
    const call = jest.fn((n: number) => n);
    const served = runsService(agent('called', call), serviceSettings()) as unknown as Served;
    const attempt = new AbortController();
    const asked: (() => Promise<unknown>)[] = [];
    void served.workflow.run(
      {
        key: 'r',
        set: () => undefined,
        request: () => ({ attemptCompletedSignal: attempt.signal }),
        run: (_name: string, closure: () => Promise<unknown>) => {
          asked.push(closure);
          return new Promise(() => undefined);
        },
      },
      { runId: 'r', life: 1, at: 0, input: 1, onMismatch: 'refuse', secret: 'secret' },
    );

    attempt.abort();
    expect(asked).toHaveLength(1);
    await expect(asked[0]?.()).resolves.toMatchObject({ kind: 'stopped' });
    expect(call).not.toHaveBeenCalled();
  });
});
