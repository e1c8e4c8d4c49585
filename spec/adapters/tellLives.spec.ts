import type { EventPublisher } from '../../adapters/restate/worker/eventPublisher';
import type { PlacedLife } from '../../adapters/restate/worker/handleRun';
import { tellLives } from '../../adapters/restate/worker/recovery/tellLives';

/** A life that has news so many times, each told after a moment; never where `takes` is left out. */
function life(news: number, takes?: number) {
  const told = { rounds: 0 };
  const publisher: Pick<EventPublisher, 'tellAll'> = {
    async tellAll() {
      told.rounds += 1;
      await new Promise((resolve) => {
        if (takes !== undefined) setTimeout(resolve, takes);
      });
      return told.rounds <= news;
    },
  };
  return { told, placed: { publisher } as unknown as PlacedLife };
}

describe('a worker that closes', () => {
  it('tells what its lives hold back, and what comes meanwhile', async () => {
    const [quiet, busy] = [life(0, 5), life(1, 20)];
    await tellLives(new Set([quiet.placed, busy.placed]), 5_000);

    expect([quiet.told.rounds, busy.told.rounds]).toEqual([2, 2]);
  });

  it('is not kept by a life that never rests, nor by a server that is away', async () => {
    const endless = life(Infinity, 1);
    await tellLives(new Set([endless.placed]), 5_000);
    expect(endless.told.rounds).toBe(3);

    await tellLives(new Set([life(0).placed]), 20);
  });

  it('waits for nothing without lives', async () => {
    const told = tellLives(new Set(), 30_000).then(() => 'told');
    const late = new Promise((resolve) => setTimeout(resolve, 5_000, 'waited').unref());

    expect(await Promise.race([told, late])).toBe('told');
  });
});
