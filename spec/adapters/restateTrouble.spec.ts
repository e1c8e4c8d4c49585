import type { EngineContext } from '../../adapters/restate/client/engineContext';
import { listRuns } from '../../adapters/restate/client/listRuns';
import { notServed } from '../../adapters/restate/client/notServed';
import { stalled } from '../../adapters/restate/client/stalled';
import { lostLives } from '../../adapters/restate/client/stuckLives';
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

describe('lives that were killed', () => {
  const HOUR_MS = 3_600_000;
  /** The keys of those that the server is not about to forget, of one that was killed so long ago and is kept for so long. */
  const killed = async (agoMs: number, retention: unknown): Promise<readonly string[]> => {
    const completed_at = new Date(Date.now() - agoMs).toISOString();
    const row = {
      target_service_key: 'r',
      status: 'completed',
      completed_at,
      completion_retention: retention,
    };
    return (await lostLives({ request: () => Promise.resolve({ rows: [row] }) }, service)).killed;
  };

  it.each([
    ['PT86400S', 24],
    ['PT90061.5S', 25],
    ['P1D', 24],
    ['P1W', 7 * 24],
    ['P1DT2H', 26],
    ['PT1H30M', 1.5],
    ['PT25H1M1.5S', 25],
    ['pt2h', 2],
    ['PT0,5H', 0.5],
  ])('are known as long as they are kept: %s', async (retention, hours) => {
    await expect(killed((hours - 0.01) * HOUR_MS, retention)).resolves.toEqual(['r']);
    await expect(killed((hours + 0.02) * HOUR_MS, retention)).resolves.toEqual([]);
  });

  it.each([
    'PT0S',
    'PT',
    'P',
    '',
    'P1M',
    'P1Y',
    '1 day',
    'P1H',
    'PT1D',
    'PT1.2.3S',
    'PT-5S',
    undefined,
    null,
  ])('are taken for forgotten where it is not clear for how long: %p', async (retention) => {
    await expect(killed(1, retention)).resolves.toEqual([]);
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
    const signs = { begunAt: Date.now(), isBegun: () => true, isAnswered: () => isAnswered };
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
