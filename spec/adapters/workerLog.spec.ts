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

  const said = (hasAdmin: boolean, keys: readonly string[], serviceName = service): readonly string[] => {
    const log = workerLog(() => false, hasAdmin);
    for (const key of keys)
      log(
        { level: 'warn', replaying: true, source: 'SYSTEM', context: { serviceName, key } } as never,
        MISFIT,
      );
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

  it('is nothing where the worker lets them go on, or where it is about something else', () => {
    expect(said(true, ['r'])).toEqual([]);
    expect(said(false, ['r'], 'other')).toEqual([]);
  });
});
