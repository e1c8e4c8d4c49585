import type { RunEvent } from '../../../lib/model/event';
import type { RunState } from '../../../lib/model/state';
import { everyNth, seedOr } from '../../support/torture';
import { Ended, storeOn } from './support/crash';
import { folded, life, throughJson } from './support/life';
import { MemoryFiles } from './support/memoryFiles';
import { random } from './support/random';

const all = Array.from({ length: 6 }, (_, n) => life(`run${n}`, 1 + n));
const every = everyNth(4, 4);

/** Carries on all runs side by side, as they stand, and says how far each was acknowledged. */
async function work(files: MemoryFiles, durability: 'disk' | 'process'): Promise<Map<string, number>> {
  const store = storeOn(files, durability, 1_200);
  const acknowledged = new Map<string, number>();
  const one = async (events: readonly RunEvent[]): Promise<void> => {
    const { runId } = events[0]!;
    const claim = await store.claim(runId);
    for (const event of events.slice(claim.state?.seq ?? 0)) {
      await claim.append(event);
      acknowledged.set(runId, event.seq);
    }
    await claim.release(undefined);
  };
  await Promise.all(all.map((events) => one(events).catch(() => undefined)));
  await store.close().catch(() => undefined);
  return acknowledged;
}

async function check(files: MemoryFiles, acknowledged: ReadonlyMap<string, number>): Promise<void> {
  const store = storeOn(files);
  for (const events of all) {
    const { runId } = events[0]!;
    const state = await store.loadRun(runId);
    const seq = state?.seq ?? 0;
    expect(seq).toBeGreaterThanOrEqual(acknowledged.get(runId) ?? 0);
    if (seq > 0) expect(throughJson(state)).toEqual(folded(asClosed(events.slice(0, seq), state)));
  }
}

/** What a store that is closed under a run writes down itself: the step under way was not ended by a crash. */
function asClosed(events: readonly RunEvent[], state: RunState | undefined): readonly RunEvent[] {
  const left = [...(state?.steps ?? [])].find(({ status, attempts }) => status === 'PENDING' && attempts > 0);
  const latest = events.at(-1);
  if (left === undefined || latest === undefined) return events;
  const { runId, seq } = latest;
  const at = Date.parse(left.timestamp ?? '');
  return [...events.slice(0, -1), { type: 'step.cancelled', runId, seq, at, path: left.stepId }];
}

describe('runs that end together, whose files are written together', () => {
  it.each(['disk', 'process'] as const)(
    'lose nothing acknowledged with durability %s, whenever the process ends',
    async (durability) => {
      const whole = new MemoryFiles();
      await work(whole, durability);
      const draw = random(seedOr(3));
      for (let at = 1; at <= whole.calls; at += every) {
        const files = new MemoryFiles();
        files.fate = ({ number }) =>
          number < at ? undefined : { error: new Ended('the process has ended'), isHalfDone: number === at };
        const acknowledged = await work(files, durability);
        files.fate = () => undefined;
        if (durability === 'disk') await check(files.afterPowerLoss(draw), acknowledged);
        const left = files.afterKill();
        await check(left, acknowledged);
        await work(left, durability);
        await check(left.afterKill(), new Map(all.map((events) => [events[0]!.runId, events.length])));
      }
    },
  );

  it('keep what a full disk has left of them, and lose none', async () => {
    const whole = new MemoryFiles();
    await work(whole, 'disk');
    for (let at = 1; at <= whole.calls; at += every) {
      const files = new MemoryFiles();
      files.fate = ({ number, name }) =>
        number >= at && number < at + 12 && (name === 'write' || name === 'create')
          ? { error: Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }) }
          : undefined;
      const acknowledged = await work(files, 'disk');
      files.fate = () => undefined;
      await check(files.afterKill(), acknowledged);
    }
  });
});
