import type { BegunRun } from '../../adapters/restate/client/cancelRun';
import { cancelBegun } from '../../adapters/restate/client/cancelRun';
import { EngineUnreachableError } from '../../adapters/restate/index';
import { IngressError } from '../../adapters/restate/protocol/ingress';
import { agent } from '../../index';
import { askingBy } from './support/fakeServer';

const one = agent('one', (n: number) => n);

/** A server that answers a question about a life by this list, the last for ever, and notes what else it is asked; whoever asks is patient. */
function server(...answers: readonly ('unknown' | 'under way' | 'ended' | 'away')[]) {
  const asked: string[] = [];
  let next = 0;
  const context = askingBy((path) => {
    const what = path.slice(path.lastIndexOf('/') + 1);
    asked.push(`${decodeURIComponent(path.split('/').at(what === 'send' ? -3 : -2) ?? '')} ${what}`);
    if (what !== 'output') return Promise.resolve({ invocationId: 'inv_1' });
    const answer = answers[Math.min(next, answers.length - 1)];
    next += 1;
    if (answer === 'away') return Promise.reject(new EngineUnreachableError(['here'], 0, undefined));
    if (answer === 'ended') return Promise.resolve({ status: 'COMPLETED' });
    return Promise.reject(new IngressError(answer === 'under way' ? 470 : 404, path, 'not there'));
  });
  return { asked, context };
}

const leftRun = (leftAt: number | undefined, life = 1): BegunRun => ({
  agent: one,
  runId: 'r',
  life: () => life,
  isOver: () => false,
  leftAt: () => leftAt,
});

describe('cancelBegun()', () => {
  it('asks again while the server has not heard of a run that is left', async () => {
    const { asked, context } = server('unknown', 'away', 'unknown', 'under way');
    await cancelBegun(context, leftRun(Date.now()), false);

    expect(asked).toEqual([...Array<string>(4).fill('r output'), 'r cancel']);
  });

  it('looks at the life that was to begin, and at none before it', async () => {
    const { asked, context } = server('under way');
    await cancelBegun(context, leftRun(Date.now(), 3), true);

    expect(asked).toEqual(['3~r output', '3~r cancel']);
  });

  it('stops when the run has ended', async () => {
    const { asked, context } = server('ended', 'unknown');
    await cancelBegun(context, leftRun(Date.now()), false);

    expect(asked).toEqual(['r output', '2~r output']);
  });

  it('gives up a run that is left when its patience is over, and says when no server answers', async () => {
    const { context } = server('unknown');
    await cancelBegun({ ...context, patienceMs: 500 }, leftRun(Date.now()), false);

    const away = server('away');
    await expect(
      cancelBegun({ ...away.context, patienceMs: 500 }, leftRun(Date.now()), false),
    ).rejects.toMatchObject({
      name: 'EngineUnreachableError',
    });
  });

  it('asks for a run that somebody still follows until that is over', async () => {
    const { asked, context } = server('unknown');
    const run = leftRun(undefined);
    await cancelBegun({ ...context, patienceMs: 0 }, { ...run, isOver: () => asked.length >= 4 }, true);

    expect(asked).toHaveLength(4);
  });
});
