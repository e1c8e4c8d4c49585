import type { RunEvent } from '../../lib/model/event';
import type { ToldEvent } from './protocol';

/** An event without what whoever follows the run knows: a third less to send. */
export function toldEvent(event: RunEvent): ToldEvent {
  if (event.type === 'run.started') {
    const { runId: _runId, seq: _seq, plan: _plan, ...told } = event;
    return told;
  }
  const { runId: _runId, seq: _seq, ...told } = event;
  return told;
}
