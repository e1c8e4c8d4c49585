import * as t from 'io-ts';

import type { RestRequest, StartRequest } from '../../adapters/restate/protocol/protocol';
import { runsService } from '../../adapters/restate/worker/runsService';
import { agent, approval, chain } from '../../index';
import { RunState } from '../../lib/codec/stateCodec';
import type { Definition } from '../../lib/definition/definition';
import { definitionOf, planOf } from '../../lib/definition/definition';
import { reduceRunAll } from '../../lib/model/reduce';
import { idleState } from '../../lib/model/state';
import { serviceSettings } from './support/serviceSettings';

/** The handler of a workflow, as the SDK would call it. */
interface Served {
  readonly workflow: { readonly run: (context: unknown, request: StartRequest) => Promise<unknown> };
}

const before = chain('asking', approval('ok', t.boolean, { timeoutMs: 9_000 }), agent('send', String));
const after = chain('asking', approval('ok', t.boolean), agent('post', String));
const plan = planOf(definitionOf(before) as Definition);
const [ok = { path: '' }] = plan;
const place = { runId: 'r', path: ok.path, agent: 'ok', attempt: 1 };
const waiting = reduceRunAll(idleState('r', 'asking', plan), [
  { type: 'run.started', runId: 'r', seq: 1, at: 1_000, name: 'asking', input: 1, plan },
  { type: 'step.started', ...place, seq: 2, at: 1_000 },
  {
    type: 'step.suspended',
    ...place,
    seq: 3,
    at: 1_000,
    request: null,
    asking: 'q',
    deadline: 10_000,
  } as never,
  { type: 'run.suspended', runId: 'r', seq: 4, at: 1_000, duration: 0, waiting: [ok.path] },
]);

/** What the record is told of a life that is refused at this time. */
async function refusedAt(at: number): Promise<RestRequest | undefined> {
  const served = runsService(after, serviceSettings()) as unknown as Served;
  let rest: RestRequest | undefined;
  const record = {
    life: 1,
    status: 'SUSPENDED',
    isResting: true,
    answers: [],
    chunks: 1,
    text: JSON.stringify(RunState.encode(waiting)),
  };
  const context = {
    key: '2~r',
    set: () => undefined,
    request: () => ({ id: 'inv_1', attemptCompletedSignal: new AbortController().signal }),
    rand: { uuidv4: () => 'secret' },
    promise: () => ({ peek: () => Promise.resolve(undefined), resolve: () => Promise.resolve() }),
    genericCall: ({ method, parameter }: { method: string; parameter: unknown }) => {
      if (method === 'rest') rest = parameter as RestRequest;
      return Promise.resolve(method === 'take' ? record : undefined);
    },
  };
  const result = await served.workflow.run(context, { runId: 'r', life: 2, at, onMismatch: 'refuse' });
  expect(result).toMatchObject({ refused: { name: 'DefinitionMismatchError' } });
  return rest;
}

describe('a life that is refused while its run waits', () => {
  let warn: jest.SpyInstance;
  beforeEach(() => {
    warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  });
  afterEach(() => {
    warn.mockRestore();
  });

  it('leaves the deadline where it was', async () => {
    await expect(refusedAt(4_000)).resolves.toMatchObject({ wakesAfterMs: 6_001, wakesAt: 10_001 });
    expect(warn).not.toHaveBeenCalled();
  });

  it('is not begun by a deadline again and again, which says why once', async () => {
    const rest = await refusedAt(10_001);

    expect(rest).toMatchObject({ life: 2, status: 'SUSPENDED' });
    expect(rest).not.toHaveProperty('wakesAfterMs');
    expect(warn.mock.calls.map(([text]) => String(text))).toEqual([
      expect.stringMatching(/^Run "r" cannot go on, though its time has come: .*resume/),
    ]);
  });
});
