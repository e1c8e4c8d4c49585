import type { RunEvent } from '../../lib/model/event';
import { reduceRunAll } from '../../lib/model/reduce';
import type { RunState } from '../../lib/model/state';
import { idleState } from '../../lib/model/state';
import type { Claim } from '../../lib/store/store';

/** The events of a chain of steps, as the engine would give them; the first at this moment, epoch milliseconds. */
export function life(
  runId: string,
  steps: number,
  output: (step: number) => unknown = (step) => ({ step }),
  at = Date.UTC(2026, 10, 22),
): RunEvent[] {
  const plan = Array.from({ length: steps }, (_, i) => ({
    path: `s${String(i)}`,
    kind: 'function' as const,
    agent: `agent${String(i)}`,
    sources: ['input'],
  }));
  const events: RunEvent[] = [
    { type: 'run.started', runId, seq: 1, at, name: 'chain', input: { n: steps }, plan },
  ];
  for (const [i, { path, agent }] of plan.entries()) {
    events.push({ type: 'step.started', runId, seq: events.length + 1, at: at + i, path, agent, attempt: 1 });
    const step = { runId, seq: events.length + 1, at: at + i, path, agent, attempt: 1 };
    events.push({ type: 'step.completed', ...step, output: output(i), duration: 0.001 });
  }
  events.push({
    type: 'run.completed',
    runId,
    seq: events.length + 1,
    at: at + steps,
    output: steps,
    duration: 1,
  });
  return events;
}

/** Appends as an engine does: a start is noted, everything else waited for. */
export async function append(claim: Claim, events: readonly RunEvent[]): Promise<void> {
  for (const event of events) {
    if (event.type === 'step.started') claim.note(event);
    else await claim.append(event);
  }
}

/** What these events come to. */
export function folded(events: readonly RunEvent[]): RunState {
  return throughJson(reduceRunAll(idleState(events[0]?.runId ?? '', '', []), events));
}

/** A state as plain data, to compare. */
export function throughJson(state: RunState | undefined): RunState {
  return JSON.parse(JSON.stringify(state ?? null)) as RunState;
}
