import type { Observable } from 'rxjs';
import { catchError, of, tap } from 'rxjs';

import type { RunError } from '../../lib/errors/runErrors';
import { createLogger } from '../../lib/log/logger';
import { createMonitor } from '../../lib/metrics/monitor';
import type { RunEvent, Transition } from '../../lib/model/event';
import { memoryStore } from '../../lib/store/memory/memoryStore';
import type { Claim, RunRest, Store } from '../../lib/store/store';
import { agent } from '../../operators/agents/agent';
import { chain } from '../../operators/agents/chain';
import { run } from '../../operators/runs/run';
import { alertOn } from '../../operators/taps/alertOn';
import { logTo } from '../../operators/taps/logTo';
import { measure } from '../../operators/taps/measure';
import { everything } from '../support/everything';

/** Writes down, in one list, when the agent, the store, the log, the metrics, the alerts and the output each had their turn. */
function recorder() {
  const turns: string[] = [];
  const note = (turn: string): void => {
    turns.push(turn);
  };
  const logger = createLogger({ level: 'INFO' });
  const log: typeof logger.log = (level, component, message, ...rest) => {
    note(`log ${level} ${component}: ${message}`);
    logger.log(level, component, message, ...rest);
  };
  const monitor = createMonitor();
  const watched = {
    ...monitor,
    logAgentExecution(...args: Parameters<typeof monitor.logAgentExecution>) {
      note(`metrics ${args[1]} ${args[3] ? 'success' : 'failure'}`);
      monitor.logAgentExecution(...args);
    },
    endWorkflow(...args: Parameters<typeof monitor.endWorkflow>) {
      note(`metrics ${args[0]} ${args[2] ? 'success' : 'failure'}`);
      monitor.endWorkflow(...args);
    },
    checkAlerts(name?: string) {
      note('alerts checked');
      return monitor.checkAlerts(name);
    },
  };
  monitor.addAlertRule('failing', (stats) => stats.failureRate > 30);
  return { turns, note, logger: { ...logger, log }, monitor: watched };
}

/** A store that notes what it makes durable: the state is the fold of these records. */
function notingStore(note: (turn: string) => void): Store {
  const store = memoryStore();
  return {
    ...store,
    claim(runId) {
      const claim = (store as RunRest).claim(runId) as Claim;
      return {
        ...claim,
        append(event: RunEvent) {
          note(`store ${'path' in event ? `${event.type} ${event.path}` : event.type}`);
          return claim.append(event);
        },
      };
    },
  };
}

const taps = ({ logger, monitor, note }: ReturnType<typeof recorder>) => {
  const alerts = alertOn<number>(monitor, ({ ruleName, status }) => {
    note(`alert ${ruleName} ${status}`);
  });
  return (transitions: Observable<Transition<number>>): Observable<Transition<number>> =>
    transitions.pipe(logTo(logger), measure(monitor), alerts);
};

describe('S32 data flow', () => {
  it('is: execute, save the state, log, metrics, output; and only then the next step', async () => {
    const records = recorder();
    const { turns, note } = records;
    const add = (name: string) =>
      agent(name, (n: number) => {
        note(`execute ${name}`);
        return n + 1;
      });
    const adding = chain('adding', add('one'), add('two'));
    const transitions = run(adding, 1, { store: notingStore(note), runId: 'r' }).pipe(taps(records));
    await everything(
      transitions.pipe(
        tap(({ event }) => event.type === 'run.completed' && note(`output ${event.output as number}`)),
      ),
    );

    expect(turns).toEqual([
      'store run.started',
      'log INFO adding: run started',
      'execute one',
      'store step.completed one',
      'log INFO one: step completed',
      'metrics one success',
      'execute two',
      'store step.completed two',
      'log INFO two: step completed',
      'metrics two success',
      'store run.completed',
      'log INFO adding: run completed',
      'metrics adding success',
      'alerts checked',
      'output 3',
    ]);
  });
});

describe('S33 error flow', () => {
  const failing = (note: (turn: string) => void) =>
    agent('fails', (): number => {
      note('exception');
      throw new Error('broken');
    });
  const flow = [
    'exception',
    'store step.failed fails',
    'log ERROR fails: step failed: broken',
    'metrics fails failure',
    'store run.failed',
    'log ERROR failing: run failed at step fails',
    'metrics failing failure',
    'alert failing FIRED',
    'run.failed emitted',
    'stream errors: Run "r" of "failing" failed at step "fails": broken',
    'error result broken',
  ];

  it('is: log, metrics, save the error state, check alerts, fail, return the error result', async () => {
    const records = recorder();
    const { turns, note } = records;
    const transitions = run(chain('failing', failing(note)), undefined as never, {
      store: notingStore(note),
      runId: 'r',
    }).pipe(
      taps(records),
      tap(({ event }) => event.type === 'run.failed' && note('run.failed emitted')),
      catchError((thrown: unknown) => {
        const error = thrown as RunError;
        note(`stream errors: ${error.message}`);
        return of(error.failure.message);
      }),
    );
    note(`error result ${(await everything(transitions)).at(-1) as string}`);

    expect(turns.filter((turn) => turn !== 'alerts checked' && !turn.includes('started'))).toEqual(flow);
    expect(turns.indexOf('alerts checked')).toBeGreaterThan(turns.indexOf('metrics failing failure'));
    expect(turns.indexOf('alerts checked')).toBeLessThan(turns.indexOf('alert failing FIRED'));
  });

  it('reports a failing sink and never hides the original error', async () => {
    const reported: string[] = [];
    const onTapError = (error: unknown): void => {
      reported.push((error as Error).message);
    };
    const broken = (name: string) => () => {
      throw new Error(name);
    };
    const logger = { log: broken('log'), isEnabled: () => true };
    const monitor = {
      startWorkflow: broken('start'),
      endWorkflow: broken('end'),
      logAgentExecution: broken('agent'),
      checkAlerts: broken('check'),
    };
    const error = await new Promise((resolve) => {
      run(
        chain(
          'failing',
          failing(() => undefined),
        ),
        undefined as never,
      )
        .pipe(
          logTo(logger, { onTapError }),
          measure(monitor, { onTapError }),
          alertOn({ always: () => true }, broken('listener'), { onTapError }),
        )
        .subscribe({ error: resolve });
    });
    expect(error).toMatchObject({ name: 'RunError', cause: expect.objectContaining({ message: 'broken' }) });
    expect(new Set(reported)).toEqual(new Set(['log', 'start', 'agent', 'end', 'listener']));
  });
});
