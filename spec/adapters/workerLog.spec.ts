import { workerLog } from '../../adapters/restate/worker/workerLog';

const service = 'millrace.book.0123456789ab';
const MISFIT = '(570) Found a mismatch between the code paths';

describe('what a worker says of runs whose journals do not fit its code', () => {
  let warn: jest.SpyInstance;
  beforeEach(() => {
    jest.useFakeTimers();
    warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  });
  afterEach(() => {
    warn.mockRestore();
    jest.useRealTimers();
  });

  const said = (
    hasAdmin: boolean,
    keys: readonly (string | undefined)[],
    { serviceName = service, handlerName = 'run' } = {},
  ): readonly string[] => {
    const log = workerLog(() => false, hasAdmin);
    for (const key of keys) {
      const context = { invocationId: `inv_${String(key)}`, serviceName, handlerName, key };
      log({ level: 'warn', replaying: true, source: 'SYSTEM', context } as never, MISFIT);
    }
    jest.advanceTimersByTime(1_000);
    return warn.mock.calls.map(([text]) => String(text));
  };

  it('is told of each once, those of an agent together, with what to do', () => {
    expect(said(false, ['r', 'r', '2~s', 't', 'r'])).toEqual([
      expect.stringMatching(
        /^Run "r" and 2 others of "book" cannot go on: .*give a worker admin, or resume\(\)/,
      ),
    ]);
  });

  it('is told by name of one alone', () => {
    expect(said(false, ['2~r'])).toEqual([expect.stringMatching(/^Run "r" of "book" cannot go on/)]);
  });

  it('is nothing where the worker lets them go on', () => {
    expect(said(true, ['r'])).toEqual([]);
  });

  it.each([
    [{ handlerName: 'answer' }, `"answer" of ${service}`],
    [{ serviceName: `${service}.steps.default`, handlerName: 'call' }, `"call" of ${service}.steps.default`],
    [{ serviceName: 'millrace.runs', handlerName: 'rest' }, '"rest" of millrace.runs'],
    // A name that the service of an agent could not have.
    [{ serviceName: 'millrace.runs', handlerName: 'run' }, '"run" of millrace.runs'],
  ])('is other than what it says of a call that is no run, which no worker lets go on: %j', (call, named) => {
    for (const hasAdmin of [false, true]) {
      warn.mockClear();
      expect(said(hasAdmin, ['r', 's', 'r'], call)).toEqual([
        expect.stringMatching(
          /^Call inv_r, with 1 others of .* cannot go on: .*version of Millrace.*PATCH \/invocations\/inv_r\/kill/,
        ),
      ]);
      expect(warn.mock.calls[0]?.[0]).toContain(named);
    }
  });

  it('is told of a run and of a call of it each, and of a message without a call as it is', () => {
    const log = workerLog(() => false, false);
    const call = { invocationId: 'inv_1', serviceName: service, handlerName: 'run', key: 'r' };
    for (const context of [call, { ...call, invocationId: 'inv_2', handlerName: 'cancel' }, undefined])
      log({ level: 'warn', replaying: false, source: 'SYSTEM', context } as never, MISFIT);
    jest.advanceTimersByTime(1_000);

    expect(warn.mock.calls.map(([text]) => String(text))).toEqual([
      MISFIT,
      expect.stringMatching(/^Run "r" of "book"/),
      expect.stringMatching(/^Call inv_2 of "cancel"/),
    ]);
  });

  it.each([
    'Run "r" has completed: nobody takes an answer to step "ok" any more',
    'The life is over: nothing more is told of it',
  ])('is nothing of what comes too late, which is told to whoever sends it: %s', (text) => {
    const log = workerLog(() => false, false);
    const context = { invocationId: 'inv_1', serviceName: service, handlerName: 'answer', key: 'r' };
    log({ level: 'warn', replaying: false, source: 'SYSTEM', context } as never, new Error(text));
    jest.advanceTimersByTime(1_000);

    expect(warn).not.toHaveBeenCalled();
  });
});
