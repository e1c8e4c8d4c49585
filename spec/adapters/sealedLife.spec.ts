import type { WorkflowSharedContext } from '@restatedev/restate-sdk';
import { TerminalError } from '@restatedev/restate-sdk';

import type { SideEvent } from '../../adapters/restate/protocol/protocol';
import { LARGEST_MESSAGE } from '../../adapters/restate/protocol/wireLimits';
import { sealNested } from '../../adapters/restate/worker/nestedRows';
import { publishBatch, readPublished } from '../../adapters/restate/worker/publishedEvents';
import type { RunEvent } from '../../lib/model/event';
import { toFailure } from '../../lib/model/failure';

/**
 * Durable promises as a server keeps them; `beforeResolve` is what comes in between a look at one and its end, `afterPeek` what comes
 * behind each look.
 */
function servedContext({
  beforeResolve = () => undefined,
  afterPeek = () => undefined,
}: { readonly beforeResolve?: () => void; readonly afterPeek?: () => void } = {}) {
  const kept = new Map<string, unknown>();
  const context = {
    promise: (name: string) => ({
      peek: () => {
        const seen = kept.get(name);
        afterPeek();
        return Promise.resolve(seen);
      },
      resolve: (value: unknown) => {
        beforeResolve();
        if (kept.has(name)) throw new TerminalError('Promise is already completed');
        kept.set(name, value);
        return Promise.resolve();
      },
    }),
  } as unknown as WorkflowSharedContext;
  return { context, kept };
}

const told = (path: string): SideEvent => ({
  key: `n:${path}:step.started:1`,
  under: { path: 'f', attempt: 1, execution: 'e' },
  event: { type: 'step.started', runId: 'r', seq: 1, at: 1, path, agent: 'a', attempt: 1 },
});
const batch = (...parts: readonly SideEvent[]) => ({ hint: 0, secret: '', parts });

describe('what is told of a life that is over', () => {
  it('is not told to those who follow it when the next life would not know of it', async () => {
    const { context } = servedContext();
    await publishBatch(context, batch(told('f/a')));

    const { nested: known, batches } = await sealNested(context);
    await expect(publishBatch(context, batch(told('f/b')))).rejects.toMatchObject({ code: 409 });

    const heard = await readPublished(context, { from: 0, parts: 0, waitMs: 0 });
    expect(known).toEqual([told('f/a')]);
    expect(heard.parts).toEqual(known);
    expect([batches, heard.nextParts]).toEqual([1, 2]);
  });

  it('is known to the next life when it comes just before the end', async () => {
    let isIn = false;
    const { context, kept } = servedContext({
      beforeResolve: () => {
        if (!isIn) kept.set('p:0', [told('f/late')]);
        isIn = true;
      },
    });

    await expect(sealNested(context)).resolves.toEqual({ batches: 1, nested: [told('f/late')] });
  });

  it('is given again to a life that asks twice', async () => {
    const { context } = servedContext();
    await publishBatch(context, batch(told('f/a'), told('f/b')));

    await sealNested(context);
    await expect(sealNested(context)).resolves.toEqual({ batches: 1, nested: [told('f/a'), told('f/b')] });
  });

  it('is heard before the events behind it, where both come while somebody looks', async () => {
    const ended: RunEvent = {
      type: 'run.failed',
      runId: 'r',
      seq: 2,
      at: 2,
      duration: 0,
      error: toFailure(new Error('no')),
    };
    const { context, kept } = servedContext({
      afterPeek: () => {
        kept.set('p:0', [told('f/a')]).set('ev:0', [ended]);
      },
    });

    const first = await readPublished(context, { from: 0, parts: 0, waitMs: 0 });
    const second = await readPublished(context, { from: first.nextFrom, parts: first.nextParts, waitMs: 0 });
    expect([first.parts, first.events]).toEqual([[told('f/a')], []]);
    expect([second.parts, second.events]).toEqual([[], [ended]]);
  });

  it('is heard before those events where it is more than one answer carries', async () => {
    const { context, kept } = servedContext();
    const large = 'x'.repeat(LARGEST_MESSAGE / 4);
    kept
      .set('p:0', [told(large)])
      .set('p:1', [told('f/b')])
      .set('ev:0', [told('f/a').event]);

    const first = await readPublished(context, { from: 0, parts: 0, waitMs: 0 });
    const second = await readPublished(context, { from: first.nextFrom, parts: first.nextParts, waitMs: 0 });
    expect([first.parts.length, first.events.length]).toEqual([1, 0]);
    expect([second.parts.length, second.events.length]).toEqual([1, 1]);
  });
});
