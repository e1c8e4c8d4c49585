import * as t from 'io-ts';

import { agent, chain, execute, validate } from '../../index';

describe('S37 type mismatch', () => {
  const sum = jest.fn(({ data }: { data: number[] }) => data.reduce((all, x) => all + x, 0));
  const checked = agent('sum', sum, { input: t.type({ data: t.array(t.number) }) });

  it('fails before the agent runs when a record comes where a list is expected, and says where', async () => {
    const wrong = agent('wrong', (_: number) => ({ data: { first: 'secret' } }) as never);
    const state = await execute(chain('c', wrong, checked), 1);

    expect(sum).not.toHaveBeenCalled();
    expect(state.error).toMatchObject({ name: 'ValidationError', path: 'sum', retryable: false });
    expect(state.error?.message).toContain('step "sum"');
    expect(state.error?.message).toContain('.data');
    expect(state.error?.message).toMatch(/expected Array<number>.*got object/);
    expect(state.error?.message).not.toContain('secret');
  });

  it('is found by validate() alone', () => {
    expect(validate(t.type({ n: t.number }), { n: 1 })).toEqual({ n: 1 });
    expect(() => validate(t.type({ n: t.number }), { n: 'x' }, 'the setting')).toThrow(
      /the setting.*\.n.*expected number.*got string/s,
    );
  });
});
