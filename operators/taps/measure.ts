import type { MonoTypeOperatorFunction } from 'rxjs';

import type { Monitor } from '../../lib/metrics/monitor';
import type { Transition } from '../../lib/model/event';
import { isMidway } from '../../lib/model/event';
import type { OwnTimes } from './internal/ownTimes';
import { ownTimes } from './internal/ownTimes';
import type { TapOptions } from './tap';
import { sideEffect } from './tap';

/** The part of a monitor that `measure` drives: the calls one would make by hand. */
export type MeasureTarget = Pick<
  Monitor,
  'startWorkflow' | 'endWorkflow' | 'logAgentExecution' | 'checkAlerts'
>;

/**
 * Counts runs and steps in a monitor, and lets it check its alert rules when a run has ended.
 *
 * Every step that completes or fails is one execution of its agent, unless the answer came from the cache; every life of a run that completes or fails one execution
 * of the workflow. A life that is suspended or cancelled is none, and neither is a completed run that is only told again.
 */
export function measure<O>(
  monitor: MeasureTarget,
  options: TapOptions = {},
): MonoTypeOperatorFunction<Transition<O>> {
  return sideEffect(
    'measure',
    () => {
      const runs = new Map<string, { readonly name: string; readonly times: OwnTimes }>();
      const begin = (runId: string, name: string): void => {
        runs.set(runId, { name, times: ownTimes() });
        monitor.startWorkflow(runId, name);
      };
      const end = (runId: string, duration: number, success: boolean): void => {
        const run = runs.get(runId);
        if (run === undefined) return;
        runs.delete(runId);
        monitor.endWorkflow(run.name, duration, success);
        monitor.checkAlerts(run.name);
      };

      return {
        next(transition) {
          const { event } = transition;
          const steps = { get: (path: string) => transition.state.steps.get(path) };
          if (!runs.has(event.runId) && isMidway(event)) begin(event.runId, transition.state.name);
          switch (event.type) {
            case 'run.started':
              begin(event.runId, event.name);
              break;
            case 'run.resumed':
              begin(event.runId, transition.state.name);
              break;
            case 'step.started':
              runs.get(event.runId)?.times.start(event.path, event.at, steps);
              break;
            case 'step.completed':
            case 'step.failed': {
              const run = runs.get(event.runId);
              const own = run?.times.end(event.path, event.at, event.duration, steps);
              const success = event.type === 'step.completed';
              if (run !== undefined && !(success && event.cached === true))
                monitor.logAgentExecution(run.name, event.agent, event.duration, success, own);
              break;
            }
            case 'step.skipped':
            case 'step.cancelled':
            case 'step.suspended':
              runs.get(event.runId)?.times.end(event.path, event.at, 0, steps);
              break;
            case 'run.completed':
            case 'run.failed':
              end(event.runId, event.duration, event.type === 'run.completed');
              break;
            case 'run.suspended':
            case 'run.cancelled':
              runs.delete(event.runId);
              break;
            case 'run.imported':
            case 'step.emitted':
            case 'step.logged':
            case 'step.retrying':
            case 'step.answered':
              break;
          }
        },
      };
    },
    options,
  );
}
