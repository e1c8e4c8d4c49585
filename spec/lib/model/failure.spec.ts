import { Failure as FailureCodec } from '../../../lib/codec/stateCodec';
import { toFailure } from '../../../lib/model/failure';

describe('toFailure()', () => {
  it('keeps code, status, causes and the errors of an aggregate as plain data that a file gives back', () => {
    const cause = new AggregateError([new Error('mirror A'), new Error('mirror B')], 'all mirrors');
    const failure = toFailure(
      Object.assign(new Error('top', { cause }), { status: 503, code: 'E_DOWN' }),
      'a',
    );
    expect(failure).toEqual({
      name: 'Error',
      message: 'top',
      code: 'E_DOWN',
      status: 503,
      path: 'a',
      retryable: true,
      cause: {
        name: 'AggregateError',
        message: 'all mirrors',
        retryable: true,
        errors: [
          { name: 'Error', message: 'mirror A', retryable: true },
          { name: 'Error', message: 'mirror B', retryable: true },
        ],
      },
    });
    expect(FailureCodec.decode(JSON.parse(JSON.stringify(failure)))).toMatchObject({ _tag: 'Right' });
  });

  it('tells the stack while the error is known, own frames first, and keeps it out of JSON', () => {
    const failure = toFailure(new Error('x'));
    expect(failure.stack?.split('\n')[0]).toContain('failure.spec.ts');
    expect(failure.stack?.length).toBeLessThanOrEqual(4_096);
    expect(JSON.stringify(failure)).not.toContain('failure.spec.ts');
  });

  it('is bounded: messages, causes of causes, causes that lead back, errors of errors', () => {
    const loop: Error & { cause?: unknown } = new Error('loop');
    loop.cause = new Error('between', { cause: loop });
    expect(JSON.stringify(toFailure(loop)).length).toBeLessThan(1_000);
    expect(toFailure(new Error('x'.repeat(100_000))).message).toHaveLength(8_192);
    const many = (depth: number): Error =>
      depth === 0
        ? new Error('leaf')
        : new AggregateError(
            Array.from({ length: 50 }, () => many(depth - 1)),
            'many',
          );
    expect(JSON.stringify(toFailure(many(3))).length).toBeLessThan(10_000);
  });

  it.each([
    ['its fields', { status: 503, detail: 'down' }, '{"status":503,"detail":"down"}'],
    ['itself where it has no fields that JSON knows', { n: 1n }, '[object Object]'],
  ])('tells of a thrown object %s', (_what, thrown, message) => {
    expect(toFailure(thrown).message).toBe(message);
  });
});
