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

/** The events of a run that asks at the step `ask` and comes to rest, as the engine would give them. */
export function askingLife(runId: string, incarnation: string, at = Date.UTC(2026, 10, 22)): RunEvent[] {
  const plan = [
    { path: 'ask', kind: 'approval' as const, agent: 'ask', sources: ['input'] },
    { path: 'late', kind: 'approval' as const, agent: 'late', sources: ['ask'] },
    { path: 'pages', kind: 'each' as const, agent: 'pages', sources: ['late'] },
  ];
  const step = { path: 'ask', agent: 'ask', attempt: 1 };
  return [
    { type: 'run.started', runId, seq: 1, at, incarnation, name: 'asking', input: 'x', plan },
    { type: 'step.started', runId, seq: 2, at, ...step },
    {
      type: 'step.suspended',
      runId,
      seq: 3,
      at,
      ...step,
      request: 'x',
      asking: `${incarnation}.3`,
      deadline: at + 60_000,
    },
    { type: 'run.suspended', runId, seq: 4, at, waiting: ['ask'], duration: 0 },
  ];
}

/** Appends as an engine does: a start is noted, everything else waited for. */
export async function append(claim: Claim, events: readonly RunEvent[]): Promise<void> {
  for (const event of events) {
    if (event.type === 'step.started' || event.type === 'step.suspended') claim.note(event);
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
