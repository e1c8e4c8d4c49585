import type { EngineContext } from '../../adapters/restate/client/engineContext';
import { listRuns } from '../../adapters/restate/client/listRuns';
import { notServed } from '../../adapters/restate/client/notServed';
import { stalled } from '../../adapters/restate/client/stalled';
import { EngineUnreachableError } from '../../adapters/restate/index';
import type { Ingress } from '../../adapters/restate/protocol/ingress';
import { IngressError } from '../../adapters/restate/protocol/ingress';
import { servicesNamed } from '../../adapters/restate/protocol/serviceNames';
import { agent } from '../../index';

const one = agent('one', (n: number) => n);
const service = `${servicesNamed('one')}0123456789ab`;
const nobody: Ingress = { request: () => Promise.reject(new EngineUnreachableError(['here'], 0, undefined)) };
const refused = (status: number): Ingress => ({
  request: (path) => Promise.reject(new IngressError(status, path, 'no')),
});

describe('an agent that is not served', () => {
  const cause = new IngressError(404, 'run', 'service not found');

  it('is told with the versions that are', async () => {
    const admin: Ingress = { request: () => Promise.resolve({ services: [{ name: service }] }) };

    expect(await notServed(one, admin, cause)).toMatchObject({
      name: 'DefinitionNotServedError',
      served: ['0123456789ab'],
      cause,
    });
  });

  it.each([
    ['an admin that is away', nobody],
    ['an admin that refuses', refused(403)],
    ['no admin', undefined],
  ])('is told with %s too, without versions', async (_, admin) => {
    const error = await notServed(one, admin, cause);

    expect(error).toMatchObject({ name: 'DefinitionNotServedError', served: [], cause });
    expect(error.message).toContain('no worker serves this version');
  });
});

describe('the list of runs', () => {
  const admin: Ingress = {
    request: () =>
      Promise.resolve({
        rows: [
          {
            target_service_name: service,
            target_service_key: 'r',
            status: 'completed',
            created_at: '1970-01-01',
          },
        ],
      }),
  };
  const listed = (ingress: Ingress) =>
    listRuns({ ingress, admin, patienceMs: 0, pace: undefined as never }, admin, undefined, 10);

  it('fails when the server can not be asked how a run has ended, rather than call it FAILED', async () => {
    await expect(listed(nobody)).rejects.toThrow(EngineUnreachableError);
    await expect(listed(refused(403))).rejects.toThrow(IngressError);
  });

  it('calls a run FAILED whose handler has failed, and leaves out one that is kept no longer', async () => {
    expect(await listed(refused(500))).toMatchObject([{ runId: 'r', status: 'FAILED' }]);
    expect(await listed(refused(409))).toMatchObject([{ runId: 'r', status: 'FAILED' }]);
    expect(await listed(refused(404))).toEqual([]);
  });
});

describe('a run that does not move', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  const noticed = async (admin: Ingress | undefined, isAnswered: boolean): Promise<readonly string[]> => {
    const notices: string[] = [];
    const context: EngineContext = { ingress: nobody, admin, patienceMs: 30_000, pace: undefined as never };
    const stop = new AbortController();
    const signs = { isBegun: () => true, isAnswered: () => isAnswered };
    void stalled(context, one, { runId: 'r', key: 'r' }, signs, stop.signal, (notice) =>
      notices.push(notice),
    );
    await jest.advanceTimersByTimeAsync(10_000);
    stop.abort('over');
    return notices;
  };
  const stuck: Ingress = {
    request: () => Promise.resolve({ rows: [{ status: 'backing-off', last_failure: 'connection refused' }] }),
  };

  it('says why once, by the admin', async () => {
    expect(await noticed(stuck, true)).toEqual(['The run does not move: connection refused']);
  });

  it.each([
    ['without an admin', undefined],
    ['with an admin that is away', nobody],
  ])('says once that no worker answers, %s', async (_, admin) => {
    expect(await noticed(admin, false)).toEqual([
      'It is not known how the run stands: no worker has answered',
    ]);
    expect(await noticed(admin, true)).toEqual([]);
  });
});
