import type { AskOptions, Ingress } from '../../adapters/restate/protocol/ingress';
import type { Part, TellRequest } from '../../adapters/restate/protocol/protocol';
import type { Teller } from '../../adapters/restate/worker/eventPublisher';
import { tellerOf } from '../../adapters/restate/worker/eventPublisher';

/** What was told, batch by batch; `fails` answers whether the server is away. */
function tellerInto(batches: (readonly string[])[], fails: () => boolean = () => false): Teller {
  const ingress: Ingress = {
    request: async (_path, { body }: AskOptions = {}) => {
      const isAway = fails();
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (isAway) throw new Error('away');
      return batches.push((body as TellRequest).parts.map((part) => ('key' in part ? part.key : '')));
    },
  };
  return tellerOf(ingress, 'service', 'key', () => []);
}

function part(key: string, size: number, execution = 'a'): Part {
  const place = { runId: 'run', seq: 0, at: 0, path: 'step', agent: 'agent', attempt: 1, index: 0 };
  return {
    key,
    under: { path: 'step', attempt: 1, execution },
    event: { ...place, type: 'step.emitted', value: 'x'.repeat(size) },
  };
}

describe('tellerOf()', () => {
  it('tells in batches that a message carries well, in order, and a large one alone', async () => {
    const batches: (readonly string[])[] = [];
    const teller = tellerInto(batches);
    for (const [i, size] of [100_000, 100_000, 100_000, 3_000_000, 10, 10].entries()) {
      teller.add(part(String(i), size));
    }
    await teller.flush();

    expect(batches).toEqual([['0', '1'], ['2'], ['3'], ['4', '5']]);
    expect(teller.told()).toBe(4);
  });

  it('tells again what the server did not take, in the same order', async () => {
    const batches: (readonly string[])[] = [];
    let asked = 0;
    const teller = tellerInto(batches, () => (asked += 1) === 2);
    for (const i of [0, 1, 2]) teller.add(part(String(i), 200_000));
    await teller.flush();

    expect(batches).toEqual([['0'], ['1'], ['2']]);
  });

  it('has told what was added before, whatever is added meanwhile', async () => {
    const batches: (readonly string[])[] = [];
    const teller = tellerInto(batches);
    teller.add(part('first', 10));
    const flushed = teller.flush();
    const more = setInterval(() => {
      teller.add(part('more', 300_000));
    }, 1);
    await flushed;
    clearInterval(more);
    teller.close();

    expect(batches[0]).toEqual(['first']);
  });

  it('leaves the last of a call to its end, and tells first what is too much for that', async () => {
    const batches: (readonly string[])[] = [];
    const teller = tellerInto(batches);
    teller.add(part('mine', 10));
    teller.add(part('other', 10, 'b'));
    expect(await teller.take('a')).toEqual([part('mine', 10)]);
    expect(batches).toEqual([]);

    for (let i = 0; i < 3; i += 1) teller.add(part(`large ${i}`, 3_000_000));
    expect(await teller.take('a')).toEqual([]);
    expect(batches).toEqual([['other'], ['large 0'], ['large 1'], ['large 2']]);
  });

  it('takes nothing that is on its way', async () => {
    const batches: (readonly string[])[] = [];
    const teller = tellerInto(batches);
    teller.add(part('on its way', 10));
    teller.preview();
    teller.add(part('waits', 10));

    expect(await teller.take('a')).toEqual([part('waits', 10)]);
    expect(teller.told()).toBe(1);
  });

  it('never says that something was told which was not, once it is closed', async () => {
    const teller = tellerInto([], () => true);
    teller.add(part('lost', 10));
    const flushed = jest.fn();
    void teller.flush().then(flushed);
    teller.close();

    expect(await teller.take('a')).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(flushed).not.toHaveBeenCalled();
  });
});
