import type { AskOptions, Ingress } from '../../adapters/restate/protocol/ingress';
import type { SideEvent, PublishRequest } from '../../adapters/restate/protocol/protocol';
import type { EventPublisher } from '../../adapters/restate/worker/eventPublisher';
import { eventPublisher } from '../../adapters/restate/worker/eventPublisher';

/** What was told, batch by batch; `fails` answers whether the server is away. */
function tellerInto(batches: (readonly string[])[], fails: () => boolean = () => false): EventPublisher {
  const ingress: Ingress = {
    request: async (_path, { body }: AskOptions = {}) => {
      const isAway = fails();
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (isAway) throw new Error('away');
      return batches.push((body as PublishRequest).parts.map((part) => ('key' in part ? part.key : '')));
    },
  };
  return eventPublisher(ingress, 'service', { key: 'key', secret: 'secret' }, () => []);
}

function part(key: string, size: number, execution = 'a'): SideEvent {
  const place = { runId: 'run', seq: 0, at: 0, path: 'step', agent: 'agent', attempt: 1, index: 0 };
  return {
    key,
    under: { path: 'step', attempt: 1, execution },
    event: { ...place, type: 'step.emitted', value: 'x'.repeat(size) },
  };
}

describe('eventPublisher()', () => {
  it('tells in batches that a message carries well, in order, and a large one alone', async () => {
    const batches: (readonly string[])[] = [];
    const publisher = tellerInto(batches);
    for (const [i, size] of [100_000, 100_000, 100_000, 3_000_000, 10, 10].entries()) {
      publisher.add(part(String(i), size));
    }
    await publisher.flush();

    expect(batches).toEqual([['0', '1'], ['2'], ['3'], ['4', '5']]);
    expect(publisher.told()).toBe(4);
  });

  it('tells again what the server did not take, in the same order', async () => {
    const batches: (readonly string[])[] = [];
    let asked = 0;
    const publisher = tellerInto(batches, () => (asked += 1) === 2);
    for (const i of [0, 1, 2]) publisher.add(part(String(i), 200_000));
    await publisher.flush();

    expect(batches).toEqual([['0'], ['1'], ['2']]);
  });

  it('tells all that is held back at once, and says whether there was any', async () => {
    const batches: (readonly string[])[] = [];
    let held: SideEvent[] = [part('held', 10)];
    const ingress: Ingress = {
      request: (_path, { body }: AskOptions = {}) =>
        Promise.resolve(
          batches.push((body as PublishRequest).parts.map((told) => ('key' in told ? told.key : ''))),
        ),
    };
    const publisher = eventPublisher(ingress, 'service', { key: 'key', secret: 'secret' }, () =>
      held.splice(0),
    );
    publisher.add(part('added', 10));

    await expect(publisher.tellAll()).resolves.toBe(true);
    await expect(publisher.tellAll()).resolves.toBe(false);
    held = [part('late', 10)];
    await expect(publisher.tellAll()).resolves.toBe(true);
    expect(batches).toEqual([['held', 'added'], ['late']]);
  });

  it('waits for nobody once it is closed', async () => {
    const publisher = tellerInto([], () => true);
    publisher.add(part('never', 10));
    const told = publisher.tellAll();
    publisher.close();

    await told;
  });

  it('has told what was added before, whatever is added meanwhile', async () => {
    const batches: (readonly string[])[] = [];
    const publisher = tellerInto(batches);
    publisher.add(part('first', 10));
    const flushed = publisher.flush();
    const more = setInterval(() => {
      publisher.add(part('more', 300_000));
    }, 1);
    await flushed;
    clearInterval(more);
    publisher.close();

    expect(batches[0]).toEqual(['first']);
  });

  it('leaves the last of a call to its end, and tells first what is too much for that', async () => {
    const batches: (readonly string[])[] = [];
    const publisher = tellerInto(batches);
    publisher.add(part('mine', 10));
    publisher.add(part('other', 10, 'b'));
    expect(await publisher.take('a')).toEqual([part('mine', 10)]);
    expect(batches).toEqual([]);

    for (let i = 0; i < 3; i += 1) publisher.add(part(`large ${i}`, 3_000_000));
    expect(await publisher.take('a')).toEqual([]);
    expect(batches).toEqual([['other'], ['large 0'], ['large 1'], ['large 2']]);
  });

  it('takes nothing that is on its way', async () => {
    const batches: (readonly string[])[] = [];
    const publisher = tellerInto(batches);
    publisher.add(part('on its way', 10));
    publisher.preview();
    publisher.add(part('waits', 10));

    expect(await publisher.take('a')).toEqual([part('waits', 10)]);
    expect(publisher.told()).toBe(1);
  });

  it('never says that something was told which was not, once it is closed', async () => {
    const publisher = tellerInto([], () => true);
    publisher.add(part('lost', 10));
    const flushed = jest.fn();
    void publisher.flush().then(flushed);
    publisher.close();

    expect(await publisher.take('a')).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(flushed).not.toHaveBeenCalled();
  });
});
