import { requestOf } from '../../adapters/restate/client/broken/brokenLife';
import { lifeJournal } from '../../adapters/restate/client/broken/lifeJournal';
import { cancelRun } from '../../adapters/restate/client/cancelRun';
import { serviceFor } from '../../adapters/restate/client/engineContext';
import { followRun } from '../../adapters/restate/client/followRun';
import type { Ingress } from '../../adapters/restate/protocol/ingress';
import { IngressError } from '../../adapters/restate/protocol/ingress';
import type { StartRequest } from '../../adapters/restate/protocol/protocol';
import { RequestTimeoutError } from '../../adapters/restate/restateErrors';
import { keepRunsGoing } from '../../adapters/restate/worker/keepRunsGoing';
import { agent, chain } from '../../index';
import { RunState } from '../../lib/codec/stateCodec';
import type { Definition } from '../../lib/definition/definition';
import { definitionOf, planOf } from '../../lib/definition/definition';
import type { RunRequest } from '../../lib/engine/engine';
import { idleState } from '../../lib/model/state';
import type { FakeLife, FakeServer } from './support/fakeServer';
import { fakeServer, listening } from './support/fakeServer';
import { until } from '../support/until';

const line = chain(
  'line',
  agent('a', (n: number) => n + 1),
  agent('b', (n: number) => n),
);
const request: StartRequest = {
  runId: 'r',
  life: 1,
  at: 1,
  onMismatch: 'refuse',
  incarnation: 'i',
  secret: 's',
  input: 7,
};
const killed = (more: Partial<FakeLife> = {}): FakeLife => ({ request, end: 'killed', ...more });

const follow = (
  server: FakeServer,
  asked: Pick<RunRequest<number>, 'input' | 'mustExist'>,
  told: (type: string) => void = () => undefined,
) =>
  followRun(server.context, {
    request: { agent: line, runId: 'r', onMismatch: 'actual', ...asked },
    begins: true,
    tell: ({ event }) => {
      told(event.type);
    },
    signal: new AbortController().signal,
    asks: () => undefined,
  });
/** Goes on with the run as a worker does that has ended a life whose journal did not fit; gives what the next life begins with. */
async function goneOn(server: FakeServer): Promise<StartRequest | undefined> {
  await follow(server, { input: undefined, mustExist: true });
  return server.lives.get('2~r')?.request;
}

const done = (output: unknown) => ({ kind: 'done', at: 2_500, output });
const started: FakeLife['told'] = [
  { type: 'run.started', at: 1, name: 'line', input: 7 },
  { type: 'step.started', at: 1, path: 'a', agent: 'a', attempt: 1 },
];
const stepsOf = (next: StartRequest | undefined) =>
  (next?.seed as { steps: readonly object[] } | undefined)?.steps;

describe('a life that has broken off before it told anything', () => {
  it('is followed by one with the input of the first', async () => {
    const next = await goneOn(fakeServer({ r: killed() }));

    expect(next).toMatchObject({ life: 2, seed: { input: 7, incarnation: 'i' } });
  });

  it('is followed by one with what a fork had taken over', async () => {
    const seed = {
      ...idleState('r', 'line', planOf(definitionOf(line) as Definition)),
      input: 3,
      status: 'CANCELLED',
    };
    const fork = {
      runId: 'r',
      life: 1,
      at: 1,
      onMismatch: 'refuse',
      seed: RunState.encode(seed as never),
    } as const;
    const next = await goneOn(fakeServer({ r: killed({ request: fork }) }));

    expect(next).toMatchObject({ life: 2, seed: { input: 3 } });
  });

  it('is followed by none where its input cannot be read: nothing is called with another one', async () => {
    const server = fakeServer({ r: killed() }, undefined, false);

    await expect(goneOn(server)).rejects.toMatchObject({
      name: 'InvalidArgumentError',
      message: expect.stringMatching(
        /^Cannot go on with run "r": .* its input cannot be read; give restateEngine\(.*admin/,
      ),
    });
    expect(server.asked).toEqual([]);
  });

  it('is followed by one with the input of whoever runs it anew', async () => {
    const server = fakeServer({ r: killed() }, undefined, false);
    await follow(server, { input: 8 });

    expect(server.lives.get('2~r')?.request).toMatchObject({ input: 8, isAnew: true });
  });

  it('is not begun from nothing when it is forgotten meanwhile', async () => {
    const server = fakeServer({ r: { request, end: 'under way' } });
    const { ingress } = server.context;
    let questions = 0;
    const forgetful = {
      request: (path: string, options?: object) => {
        if (path.endsWith('/output') && (questions += 1) === 2) server.lives.clear();
        return ingress.request(path, options);
      },
    };
    const context = { ...server.context, ingress: forgetful };

    await expect(goneOn({ ...server, context })).rejects.toMatchObject({ name: 'UnknownRunError' });
    expect(server.asked).toEqual([]);
  });
});

describe('what stands only in the journal of a life that has broken off', () => {
  it.each([
    ['of a step that was told to have begun', started],
    ['of a step of which nothing was told', started.slice(0, 1)],
    ['of a life of which nothing was told', []],
  ])('is not called again: %s', async (_, told) => {
    const calls = [{ path: 'a', result: done(8) }];
    const next = await goneOn(fakeServer({ r: killed({ told, calls }) }));

    expect(stepsOf(next)).toMatchObject([
      { stepId: 'a', status: 'COMPLETED', output: 8, attempts: 1, agent: 'a' },
      { stepId: 'b', status: 'PENDING' },
    ]);
  });

  it.each([
    ['what has failed', { kind: 'failed', at: 2, failure: {} }],
    ['what was stopped', { kind: 'stopped', at: 2 }],
    ['what ends more than its step', { ...done(8), bailed: true }],
    ['what is no call', { ok: true, value: 8 }],
  ])('is no result: %s', async (_, result) => {
    const next = await goneOn(fakeServer({ r: killed({ told: started, calls: [{ path: 'a', result }] }) }));

    expect(stepsOf(next)).toMatchObject([{ stepId: 'a', status: 'RUNNING' }, { status: 'PENDING' }]);
  });

  it('is no result where a step was called twice, or is not known', async () => {
    const twice = [8, 9].map((n) => ({ path: 'a', result: done(n) }));
    const other = { path: '[0]/a', result: done(1) };
    const next = await goneOn(fakeServer({ r: killed({ told: started, calls: [...twice, other] }) }));

    expect(stepsOf(next)).toMatchObject([{ stepId: 'a', status: 'RUNNING' }, { status: 'PENDING' }]);
  });

  it('changes nothing of what was told', async () => {
    const told: FakeLife['told'] = [
      ...started,
      { type: 'step.completed', at: 2, path: 'a', agent: 'a', attempt: 1, output: 8, duration: 0 },
    ];
    const next = await goneOn(fakeServer({ r: killed({ told, calls: [{ path: 'a', result: done(9) }] }) }));

    expect(stepsOf(next)).toMatchObject([{ status: 'COMPLETED', output: 8 }, { status: 'PENDING' }]);
  });

  it('is done without where the admin does not show it', async () => {
    const server = fakeServer({ r: killed({ told: started }) });
    const admin = { request: () => Promise.reject(new IngressError(403, 'query', 'not for you')) };
    const next = await goneOn({ ...server, context: { ...server.context, admin } });

    expect(stepsOf(next)).toMatchObject([{ status: 'RUNNING' }, { status: 'PENDING' }]);
  });
});

describe('the journal of a life', () => {
  const service = serviceFor(line);
  /** Such a life with so many calls whose results are so long, and how often its admin is asked. */
  const journalOf = (count: number, length: number) => {
    const calls = Array.from({ length: count }, (_, n) => ({
      path: `s${n}`,
      result: done('x'.repeat(length)),
    }));
    const shown = fakeServer({ r: killed({ calls }) }).context.admin as Ingress;
    const asked: string[] = [];
    const sizes: number[] = [];
    const admin: Ingress = {
      request: async (path, options) => {
        asked.push((options?.body as { readonly query: string }).query);
        const answer = await shown.request(path, options);
        sizes.push(JSON.stringify(answer).length);
        return answer;
      },
    };
    return { admin, asked, sizes };
  };

  it.each([
    [0, 2],
    [1, 3],
    [300, 3],
    [1_500, 4],
  ])('is read with few questions, however many calls there are: %p', async (count, most) => {
    const { admin, asked } = journalOf(count, 3);
    const journal = await lifeJournal(admin, service, 'r', () => true);

    expect(journal?.request).toEqual(request);
    expect(journal?.calls.map(({ path }) => path)).toEqual(Array.from({ length: count }, (_, n) => `s${n}`));
    expect(asked).toHaveLength(most);
  });

  it('is read without what was told', async () => {
    const { admin, asked } = journalOf(300, 3);
    const journal = await lifeJournal(admin, service, 'r', (path) => path === 's7');

    expect(journal?.calls).toMatchObject([{ path: 's7', result: { output: 'xxx' } }]);
    expect(asked).toHaveLength(3);
    expect((await lifeJournal(admin, service, 'r', () => false))?.calls).toEqual([]);
    expect(asked).toHaveLength(5);
  });

  it('is read in answers that are not much larger than one message, each result once', async () => {
    const { admin, asked, sizes } = journalOf(9, 900_000);
    const journal = await lifeJournal(admin, service, 'r', () => true);

    expect(journal?.calls).toHaveLength(9);
    // Two results fit in one answer.
    expect(asked).toHaveLength(2 + 5);
    expect(Math.max(...sizes)).toBeLessThan(10_000_000);
  });

  it('is not read for what its life was begun with', async () => {
    const { admin, asked, sizes } = journalOf(300, 1_000);

    await expect(requestOf(admin, service, 'r')).resolves.toEqual(request);
    expect(asked).toHaveLength(2);
    expect(Math.max(...sizes)).toBeLessThan(2_000);
    await expect(requestOf(admin, service, 'r', 'inv_r')).resolves.toEqual(request);
    expect(asked).toHaveLength(3);
  });
});

describe('a life that has broken off after somebody had asked for the end of its run', () => {
  const fate = { isReplaced: true, isCancelAsked: true, reason: 'enough' };

  it('is followed by one that only ends it', async () => {
    const next = await goneOn(fakeServer({ r: killed({ told: started, fate }) }));

    expect(next).toMatchObject({ isCancelled: true, reason: 'enough', seed: { input: 7 } });
  });

  it.each(['isCancelled', 'isLeft'])(
    'is followed by one that ends it too: it was begun with %s',
    async (how) => {
      const next = await goneOn(
        fakeServer({ r: killed({ told: started, request: { ...request, [how]: true } }) }),
      );

      expect(next).toMatchObject({ [how]: true });
    },
  );

  it('is followed by one that goes on where no worker can say', async () => {
    const server = fakeServer({ r: killed({ told: started, fate }) });
    const { ingress } = server.context;
    const earlier = {
      request: (path: string, options?: object) =>
        path.endsWith('/fate')
          ? Promise.reject(new IngressError(404, path, 'service handler not found'))
          : ingress.request(path, options),
    };
    const next = await goneOn({ ...server, context: { ...server.context, ingress: earlier } });

    expect(next).toMatchObject({ life: 2, seed: { input: 7 } });
    expect(next).not.toHaveProperty('isCancelled');
  });
});

describe('cancelRun()', () => {
  const run = { agent: line, runId: 'r' };
  const replaced = { isReplaced: true, isCancelAsked: false };

  it('ends a run between a life that was killed and the one that goes on', async () => {
    const server = fakeServer({ r: killed({ told: started, fate: replaced }) });

    await expect(cancelRun(server.context, run, 'enough')).resolves.toBe('cancelled');
    expect(server.lives.get('2~r')?.request).toMatchObject({ isCancelled: true, reason: 'enough' });
  });

  it('leaves a run alone that was killed for good', async () => {
    const server = fakeServer({ r: killed({ told: started }) });

    await expect(cancelRun(server.context, run)).resolves.toBe('ended');
    expect(server.asked).toEqual([]);
  });

  it('puts down that another life shall go on before it kills one that does not fit', async () => {
    const server = fakeServer({ r: { request, told: started, end: 'under way', isMisfit: true } });

    await expect(cancelRun(server.context, run)).resolves.toBe('cancelled');
    expect(server.asked).toEqual(['cancel r', 'replace r', 'kill r', 'begin 2~r']);
    expect(server.lives.get('2~r')?.request).toMatchObject({ isCancelled: true, seed: { input: 7 } });
  });

  it.each([
    ['has heard', true],
    ['has not heard', false],
  ])(
    'ends the life that somebody else has begun first, behind one that %s and does not fit',
    async (_, heard) => {
      const server = fakeServer({
        r: { request, told: started, end: 'under way', isMisfit: true, isUnbegun: !heard },
      });
      const { ingress } = server.context;
      const raced = {
        request: async (path: string, options?: object) => {
          if (path.endsWith('/2~r/run/send'))
            server.lives.set('2~r', { request: { ...request, life: 2 }, end: 'under way' });
          const answer = await ingress.request(path, options);
          if (path.endsWith('/2~r/cancel'))
            (server.lives.get('2~r') as FakeLife).end = {
              status: 'CANCELLED',
              from: 0,
              events: [],
              parts: 0,
            };
          return answer;
        },
      };

      await expect(cancelRun({ ...server.context, ingress: raced }, run)).resolves.toBe('cancelled');
      expect(server.asked).toEqual([...(heard ? ['cancel r'] : []), 'replace r', 'kill r', 'cancel 2~r']);
    },
    30_000,
  );

  it('says that it is cancelled when another process has ended it behind the life that had heard', async () => {
    const server = fakeServer({ r: { request, told: started, end: 'under way', isMisfit: true } });
    const { ingress } = server.context;
    const end = { status: 'CANCELLED', from: 0, events: [], parts: 0 } as const;
    const raced = {
      request: (path: string, options?: object) => {
        if (path.endsWith('/2~r/run/send'))
          server.lives.set('2~r', { request: { ...request, life: 2, isCancelled: true }, end });
        return ingress.request(path, options);
      },
    };

    await expect(cancelRun({ ...server.context, ingress: raced }, run)).resolves.toBe('cancelled');
  });

  it('begins the end anew where the kill is not seen at once', async () => {
    const server = fakeServer({ r: { request, told: started, end: 'under way', isMisfit: true } });
    const { ingress } = server.context;
    let isLate = true;
    const late = {
      request: (path: string, options?: object) => {
        const isKilled = server.asked.includes('kill r');
        if (isKilled && isLate && path.endsWith('/r/output')) {
          isLate = false;
          return Promise.reject(new IngressError(470, path, 'not ready'));
        }
        return ingress.request(path, options);
      },
    };

    await expect(cancelRun({ ...server.context, ingress: late }, run)).resolves.toBe('cancelled');
    expect(server.lives.get('2~r')?.request).toMatchObject({ isCancelled: true });
  }, 30_000);

  it('kills none of which that could not be put down', async () => {
    const server = fakeServer({ r: { request, told: started, end: 'under way', isMisfit: true } });
    const { ingress } = server.context;
    const busy = {
      request: (path: string, options?: object) =>
        path.endsWith('/replace')
          ? Promise.reject(new IngressError(500, path, 'busy'))
          : ingress.request(path, options),
    };

    await expect(cancelRun({ ...server.context, ingress: busy }, run)).rejects.toMatchObject({ status: 500 });
    expect(server.asked).toEqual(['cancel r']);
  });

  it('ends also the life that goes on without having heard of it', async () => {
    const server = fakeServer({ r: { request, told: started, end: 'under way' } });
    const { ingress } = server.context;
    const late = {
      request: async (path: string, options?: object) => {
        const answer = await ingress.request(path, options);
        // A worker kills it as it hears, and another one has begun the next life already.
        if (path.endsWith('/r/cancel')) {
          (server.lives.get('r') as FakeLife).end = 'killed';
          server.lives.set('2~r', { request: { ...request, life: 2 }, end: 'under way' });
        }
        if (path.endsWith('/2~r/cancel') || path.endsWith('/2%7Er/cancel'))
          (server.lives.get('2~r') as FakeLife).end = { status: 'CANCELLED', from: 0, events: [], parts: 0 };
        return answer;
      },
    };

    await expect(cancelRun({ ...server.context, ingress: late }, run)).resolves.toBe('cancelled');
    expect(server.asked).toEqual(['cancel r', 'cancel 2~r']);
  }, 30_000);

  it('takes back a run that is to begin later', async () => {
    const server = fakeServer({ r: { request, end: 'under way', dueMs: 60_000 } });

    await expect(cancelRun(server.context, run)).resolves.toBe('cancelled');
    expect(server.asked).toEqual(['take back r']);
  });

  it('asks a run that is about to begin once it has', async () => {
    const server = fakeServer({ r: { request, end: 'under way', dueMs: 1_000 } });
    setTimeout(() => {
      delete (server.lives.get('r') as FakeLife).dueMs;
    }, 200);
    const { ingress } = server.context;
    const ending = {
      request: async (path: string, options?: object) => {
        const answer = await ingress.request(path, options);
        if (path.endsWith('/cancel') && answer === true)
          (server.lives.get('r') as FakeLife).end = { status: 'CANCELLED', from: 0, events: [], parts: 0 };
        return answer;
      },
    };

    await expect(cancelRun({ ...server.context, ingress: ending }, run)).resolves.toBe('cancelled');
    expect(server.asked).toEqual(['cancel r']);
  });

  it.each([
    [
      'has not begun, without an admin',
      { request, end: 'under way', dueMs: 60_000 } as const,
      false,
      {
        name: 'InvalidArgumentError',
        message: expect.stringMatching(
          /^Cannot cancel run "r": .* no worker has begun it; .*restateEngine\(\{ ingress, admin \}\)/,
        ),
      },
    ],
    [
      'has not begun, with an admin',
      { request, end: 'under way', isUnbegun: true } as const,
      true,
      { name: 'RunStalledError', message: expect.stringContaining('no worker has begun it') },
    ],
    [
      'has told nothing before it broke off, without an admin',
      killed({ fate: replaced }),
      false,
      {
        name: 'InvalidArgumentError',
        message: expect.stringMatching(
          /^Cannot cancel run "r": its first life has broken off .*restateEngine\(\{ ingress, admin \}\)/,
        ),
      },
    ],
  ])('says so of a run that %s', async (_, life: FakeLife, hasAdmin, expected) => {
    const server = fakeServer({ r: life }, undefined, hasAdmin);
    const context = { ...server.context, patienceMs: 300 };

    await expect(cancelRun(context, run)).rejects.toMatchObject(expected);
    expect(server.asked).toEqual([]);
  });

  it('says so of a run that has told nothing before it broke off, where the admin does not show its journal', async () => {
    const server = fakeServer({ r: killed({ fate: replaced }) });
    const shown = server.context.admin as Ingress;
    const admin: Ingress = {
      request: (path, options) =>
        JSON.stringify(options?.body ?? '').includes('sys_journal')
          ? Promise.reject(new IngressError(403, path, 'not for you'))
          : shown.request(path, options),
    };

    await expect(cancelRun({ ...server.context, admin, patienceMs: 300 }, run)).rejects.toMatchObject({
      message: expect.stringMatching(
        /^Cannot cancel run "r": its first life has broken off .*; run\(\) it with its input/,
      ),
    });
  });

  it('ends a run that has told nothing once whoever has killed it goes on', async () => {
    const server = fakeServer({ r: killed({ fate: replaced }) }, undefined, false);
    const { ingress } = server.context;
    setTimeout(() => {
      server.lives.set('2~r', { request: { ...request, life: 2 }, end: 'under way' });
    }, 200);
    const ending = {
      request: async (path: string, options?: object) => {
        const answer = await ingress.request(path, options);
        if (path.endsWith('/2~r/cancel'))
          (server.lives.get('2~r') as FakeLife).end = { status: 'CANCELLED', from: 0, events: [], parts: 0 };
        return answer;
      },
    };

    await expect(cancelRun({ ...server.context, ingress: ending }, run)).resolves.toBe('cancelled');
    expect(server.asked).toEqual(['cancel 2~r']);
  });

  it('says what to do where it cannot tell whether the run can end', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const server = fakeServer({ r: { request, told: started, end: 'under way' } }, undefined, false);

    await expect(cancelRun(server.context, run)).resolves.toBe('cancelled');
    expect(warn.mock.calls.map(([text]) => String(text))).toEqual([
      expect.stringMatching(
        /^Run "r" is asked to end, and has not within 3 s: .*its worker is away .*restateEngine\(\{ ingress, admin \}\)$/,
      ),
    ]);
    warn.mockRestore();
  }, 30_000);
});

describe('a worker, or an admin, that does not answer about a life that has broken off', () => {
  const LIMIT_MS = 5_000;
  /** The server, where questions that end so are not answered in time. */
  const silent = (server: FakeServer, end: string): FakeServer => {
    const without = (asked: Ingress): Ingress => ({
      request: (path, options) =>
        path.endsWith(end)
          ? Promise.reject(new RequestTimeoutError(`http://127.0.0.1:9${path}`, LIMIT_MS))
          : asked.request(path, options),
    });
    const { ingress, admin } = server.context;
    const context = {
      ...server.context,
      ingress: without(ingress),
      admin: admin && without(admin),
      patienceMs: 300,
    };
    return { ...server, context };
  };
  const unreachable = (forS: string, then = '. An answer or a cancel is kept, and taken then') => ({
    code: 'WORKER_UNREACHABLE',
    runId: 'r',
    message: `No worker that serves "line" has answered for ${forS} s what was asked about run "r"; start one with serveRestate()${then}`,
  });

  it('is named to whoever follows the run', async () => {
    await expect(goneOn(silent(fakeServer({ r: killed({ told: started }) }), '/fate'))).rejects.toMatchObject(
      unreachable('0.3'),
    );
  });

  it.each([true, false])('is named to whoever cancels it, with an admin: %s', async (hasAdmin) => {
    const server = silent(fakeServer({ r: killed({ told: started }) }, undefined, hasAdmin), '/fate');

    await expect(cancelRun(server.context, { agent: line, runId: 'r' })).rejects.toMatchObject(
      unreachable('0.3', ', and cancel it then'),
    );
  });

  const misfit = (): FakeServer =>
    fakeServer({ r: { request, told: started, end: 'under way', isMisfit: true } });

  it('is named where the life cannot be put down as one that is replaced', async () => {
    const server = silent(misfit(), '/replace');

    await expect(cancelRun(server.context, { agent: line, runId: 'r' })).rejects.toMatchObject(
      unreachable('5'),
    );
    expect(server.asked).toEqual(['cancel r']);
  });

  it('is named where the admin does not say whether it has killed it', async () => {
    const server = silent(misfit(), '/kill');

    await expect(cancelRun(server.context, { agent: line, runId: 'r' })).rejects.toMatchObject({
      code: 'ENGINE_UNREACHABLE',
      addresses: ['http://127.0.0.1:9'],
      message: 'No Restate server answers at http://127.0.0.1:9 for 5 s; start it, then subscribe again',
    });
  });
});

describe('a life that does not answer in time that it shall end', () => {
  const over = (status: 'CANCELLED' | 'COMPLETED') => ({ status, from: 0, events: [], parts: 0 });

  it.each([
    ['hears of it later', 'CANCELLED'],
    ['completes first', 'COMPLETED'],
  ] as const)('ends as it says: one that %s', async (_, status) => {
    const server = fakeServer({ r: { request, told: started, end: 'under way' } });
    const { ingress } = server.context;
    let isAsked = false;
    const slow: Ingress = {
      request: async (path, options) => {
        if (!path.endsWith('/cancel')) return ingress.request(path, options);
        if (!isAsked) {
          isAsked = true;
          throw new RequestTimeoutError('http://127.0.0.1:9', 5_000);
        }
        // Followers have been told already, and it is not over yet.
        setTimeout(() => {
          (server.lives.get('r') as FakeLife).end = over(status);
        }, 100);
        return 'ended';
      },
    };

    const came = cancelRun({ ...server.context, ingress: slow }, { agent: line, runId: 'r' });
    await expect(came).resolves.toBe(status === 'CANCELLED' ? 'cancelled' : 'ended');
    expect(server.asked).toEqual([]);
  });

  it('is not killed for that: its worker may come back', async () => {
    const server = fakeServer({ r: { request, told: started, end: 'under way' } });
    const { ingress, admin } = server.context;
    const away: Ingress = {
      request: (path, options) =>
        path.endsWith('/cancel')
          ? Promise.reject(new RequestTimeoutError('http://127.0.0.1:9', 5_000))
          : ingress.request(path, options),
    };
    const refused = { status: 'backing-off', last_failure: 'connection refused' };
    const asked: Ingress = {
      request: async (path, options) => {
        const answer = (await admin?.request(path, options)) as { readonly rows?: readonly object[] };
        return { ...answer, rows: answer.rows?.map((row) => ({ ...row, ...refused })) };
      },
    };

    const context = { ...server.context, ingress: away, admin: asked, patienceMs: 300 };
    await expect(cancelRun(context, { agent: line, runId: 'r' })).rejects.toMatchObject({
      name: 'WorkerUnreachableError',
    });
    expect(server.asked).toEqual([]);
  });
});

describe('a life that is followed by somebody who begins none, and is killed so that another one goes on', () => {
  it.each([true, false])(
    'is no end of the run; it is where nobody means to go on: %s',
    async (isReplaced) => {
      const fate = { isReplaced, isCancelAsked: false };
      const server = fakeServer({ r: killed({ told: started, fate }) });
      const events = [
        { type: 'run.resumed', at: 3, life: 2, reused: 0 },
        { type: 'run.completed', at: 4, output: 8, duration: 0 },
      ] as const;
      setTimeout(() => {
        const end = { status: 'COMPLETED', from: 0, events, parts: 0 } as const;
        if (isReplaced) server.lives.set('2~r', { request: { ...request, life: 2 }, end });
      }, 200);
      const told: string[] = [];
      const state = await followRun(server.context, {
        request: { agent: line, runId: 'r', input: undefined, onMismatch: 'refuse' },
        begins: false,
        tell: ({ event }) => {
          told.push(event.type);
        },
        signal: new AbortController().signal,
        asks: () => undefined,
      });

      expect(state.status).toBe(isReplaced ? 'COMPLETED' : 'FAILED');
      expect(told).toEqual(isReplaced ? ['run.resumed', 'run.completed'] : ['run.failed']);
    },
  );
});

describe('a run that waits, whose lives the server has forgotten, while no worker is there', () => {
  it.each([true, false])(
    'is to be cancelled again, as nobody keeps that, with an admin: %s',
    async (hasAdmin) => {
      const server = fakeServer({}, undefined, hasAdmin);
      const { ingress } = server.context;
      const away: Ingress = {
        request: (path, options) => {
          if (path.startsWith('/restate/invocation/')) return Promise.resolve(470);
          if (path.endsWith('/get'))
            return Promise.reject(new RequestTimeoutError('http://127.0.0.1:9', 300));
          return ingress.request(path, options);
        },
      };

      const context = { ...server.context, ingress: away, patienceMs: 300 };
      await expect(cancelRun(context, { agent: line, runId: 'r' })).rejects.toMatchObject({
        name: 'WorkerUnreachableError',
        next: 'start one with serveRestate(), and cancel it then',
      });
    },
  );
});

describe('a life that ends while others follow its run too', () => {
  const cancelled = {
    status: 'CANCELLED',
    from: 0,
    parts: 0,
    events: [
      { type: 'run.started', at: 1, name: 'line', input: 7 },
      { type: 'run.cancelled', at: 2, duration: 0 },
    ],
  } as const;
  const ended = {
    status: 'COMPLETED',
    from: 0,
    parts: 0,
    events: [
      { type: 'run.resumed', at: 3, life: 2, reused: 0 },
      { type: 'run.completed', at: 4, output: 8, duration: 0 },
    ],
  } as const;
  /** Follows a run whose life is stopped meanwhile; gives what is told. */
  const heard = async (
    fate: FakeLife['fate'],
    asked: Partial<StartRequest> = {},
    hasAdmin = true,
  ): Promise<readonly string[]> => {
    const life: FakeLife = { request: { ...request, ...asked }, end: 'under way', ...(fate && { fate }) };
    const server = fakeServer({ r: life }, () => ended, hasAdmin);
    const { ingress } = server.context;
    const stopped = {
      request: (path: string, options?: object) => {
        if (path.endsWith('/attach')) (server.lives.get('r') as FakeLife).end = cancelled;
        return ingress.request(path, options);
      },
    };
    const told: string[] = [];
    const context = { ...server.context, ingress: stopped };
    await follow({ ...server, context }, { input: 7 }, (type) => told.push(type));
    return told;
  };
  const fate = { isReplaced: false, isCancelAsked: false };

  it('goes on for those where one of them has only left', async () => {
    await expect(heard({ ...fate, isLeft: true })).resolves.toEqual([
      'run.started',
      'run.resumed',
      'run.completed',
    ]);
  });

  it('goes on for those where it was begun only because one of them has left', async () => {
    await expect(heard(fate, { isLeft: true })).resolves.toEqual([
      'run.started',
      'run.resumed',
      'run.completed',
    ]);
  });

  it.each<[string, ...Parameters<typeof heard>]>([
    ['somebody has asked for it, too', { ...fate, isLeft: true, isCancelAsked: true }, {}, true],
    [
      'somebody has asked for it where it was begun to stop',
      { ...fate, isCancelAsked: true },
      { isLeft: true },
      true,
    ],
    ['it was begun to undo', fate, { isCancelled: true }, true],
    ['somebody has stopped it otherwise', fate, {}, true],
    ['nobody can say', undefined, {}, true],
    ['no admin can say how it was begun', fate, { isLeft: true }, false],
  ])('is over for those where %s', async (_, told, asked, hasAdmin) => {
    await expect(heard(told, asked, hasAdmin)).resolves.toEqual(['run.started', 'run.cancelled']);
  });
});

describe('a worker that looks after runs', () => {
  const look = async (server: FakeServer): Promise<readonly string[]> => {
    const { uri, close } = await listening(server);
    const told: string[] = [];
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation((text) => {
      told.push(String(text));
    });
    const stop = await keepRunsGoing({
      agents: [line],
      addresses: [uri],
      admin: uri,
      uri: 'http://127.0.0.1:1',
    });
    try {
      await until(() => server.asked.length >= 4, 40_000);
      // One more look.
      await new Promise((resolve) => setTimeout(resolve, 5_500));
    } finally {
      await stop();
      await close();
      warn.mockRestore();
    }
    return told;
  };

  it('goes on behind a life that somebody has killed for that and then was gone, and behind no other', async () => {
    const fate = { isReplaced: true, isCancelAsked: false };
    const end = { status: 'COMPLETED', from: 0, events: [], parts: 0 } as const;
    const server = fakeServer({
      r: killed({ told: started, fate }),
      over: killed({ request: { ...request, runId: 'over' }, told: started }),
      gone: killed({ request: { ...request, runId: 'gone' }, told: started, fate }),
      '2~gone': { request: { ...request, runId: 'gone', life: 2 }, end },
      misfit: { request: { ...request, runId: 'misfit' }, end: 'under way', isMisfit: true },
    });
    const told = await look(server);

    expect(server.asked).toEqual(['replace misfit', 'kill misfit', 'begin 2~misfit', 'begin 2~r']);
    expect(server.lives.get('2~r')?.request).toMatchObject({ seed: { input: 7 } });
    expect(told).toEqual([]);
  }, 60_000);
});
