import type { RunEvent } from '../../../lib/model/event';
import { memoryCache } from '../../../lib/store/answerCache';
import type { ClaimOptions } from '../../../lib/store/claimRun';
import { MemorySignals } from '../../../lib/store/memory/memorySignals';
import { claimRun } from '../../../lib/store/claimRun';
import { quickest } from '../../support/quickest';

const step = (seq: number): RunEvent => ({
  type: 'step.started',
  runId: 'r',
  seq,
  at: 0,
  path: `s${seq}`,
  agent: 'a',
  attempt: 1,
});
const end = (seq: number): RunEvent => ({ type: 'run.cancelled', runId: 'r', seq, at: 0, duration: 0 });

/** A claim with `durability: 'end'`, and the numbers of the events it has written. */
function claimed(write: (seq: number) => void = () => undefined) {
  const written: number[] = [];
  const options: ClaimOptions = {
    state: undefined,
    events: 'journaled',
    durability: 'end',
    fold: { add: () => undefined, state: () => undefined, log: () => undefined },
    write(json) {
      const { seq } = JSON.parse(json) as { readonly seq: number };
      write(seq);
      written.push(seq);
    },
    sync: () => Promise.resolve(),
    check: () => undefined,
    cache: memoryCache(),
    signals: new MemorySignals(
      () => '',
      () => false,
    ),
    inbox: () => () => undefined,
    release: () => undefined,
  };
  return { claim: claimRun(options), written };
}

describe("claimRun() with durability 'end'", () => {
  it('writes nothing before the end, and everything in order then', async () => {
    const { claim, written } = claimed();
    for (let seq = 1; seq <= 3; seq += 1) await claim.append(step(seq));
    expect(written).toEqual([]);
    await claim.append(end(4));
    expect(written).toEqual([1, 2, 3, 4]);
  });

  it('goes on behind what was written when a write failed', async () => {
    let isFull = true;
    const { claim, written } = claimed((seq) => {
      if (seq === 3 && isFull) throw new Error('ENOSPC');
    });
    for (let seq = 1; seq <= 4; seq += 1) claim.note(step(seq));
    expect(() => claim.append(end(5))).toThrow('ENOSPC');
    expect(written).toEqual([1, 2]);
    isFull = false;
    await claim.append(end(5));
    expect(written).toEqual([1, 2, 3, 4, 5]);
  });

  it('writes 200,000 events in a time that grows with their number', async () => {
    const took = await quickest(10_000, async () => {
      const { claim, written } = claimed();
      for (let seq = 1; seq <= 200_000; seq += 1) claim.note(step(seq));
      await claim.append(end(200_001));
      expect(written).toHaveLength(200_001);
    });

    expect(took).toBeLessThan(10_000);
  });
});
