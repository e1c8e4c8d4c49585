import type { RunEvent } from '../../lib/model/event';

/** Says in a run that nothing is remembered for a step whose answers are to be cached. */
export function uncached(runId: string, path: string, at: number, seq = 0): RunEvent {
  return warning(runId, path, at, seq, 'The policy "cache" is not kept on Restate: the agent is called');
}

/** Says in a run that a step made from steps is not limited. */
export function unlimited(runId: string, path: string, at: number, seq = 0): RunEvent {
  return warning(
    runId,
    path,
    at,
    seq,
    'The policy "limit" is not kept on Restate for an agent made from agents: limit those inside',
  );
}

function warning(runId: string, path: string, at: number, seq: number, message: string): RunEvent {
  return { type: 'step.logged', runId, seq, at, path, level: 'WARNING', message };
}
