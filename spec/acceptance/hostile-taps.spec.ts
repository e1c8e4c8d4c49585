import { PassThrough } from 'node:stream';

import type { MonoTypeOperatorFunction } from 'rxjs';
import { EMPTY, NEVER, pipe, Subject, tap as rxTap, throwError, VirtualTimeScheduler } from 'rxjs';
import * as winston from 'winston';
import type { transport } from 'winston';

import type { LoggerOptions } from '../../lib/log/logger';
import { createLogger } from '../../lib/log/logger';
import type { AlertRule, AlertStream } from '../../lib/metrics/alert';
import { createMonitor } from '../../lib/metrics/monitor';
import type { Transition } from '../../lib/model/event';
import { memoryStore } from '../../lib/store/memory/memoryStore';
import { agent } from '../../operators/agents/agent';
import { chain } from '../../operators/agents/chain';
import { run } from '../../operators/runs/run';
import { alertOn } from '../../operators/taps/alertOn';
import { logTo } from '../../operators/taps/logTo';
import { measure } from '../../operators/taps/measure';
import { progress } from '../../operators/taps/progress';
import type { RecordTarget } from '../../operators/taps/record';
import { record } from '../../operators/taps/record';
import { watch } from '../../operators/taps/watch';

type Tap = MonoTypeOperatorFunction<Transition<string>>;

/** A run with everything in it that a tap may stumble over: retries, partial results, log lines, a failure at the end. */
function traceWith(tap: Tap | undefined, end: 'completes' | 'fails'): string {
  let calls = 0;
  const talk = agent('talk', (text: string, context) => {
    context.emit('half');
    context.log('WARNING', 'odd\n"text"', () => {
      throw new Error('lazy data');
    });
    context.log('ERROR', 'odd data', {
      get broken(): never {
        throw new Error('getter');
      },
    });
    return `${text}!`;
  });
  const flaky = agent(
    'flaky',
    (text: string) => {
      calls += 1;
      if (calls < 3) throw new Error(`not yet ${calls}`);
      return text;
    },
    { retry: { count: 3, delayMs: 50 } },
  );
  const last = agent('last', (text: string) => {
    if (end === 'fails') throw new Error('the end');
    return text;
  });
  const scheduler = new VirtualTimeScheduler();
  const transitions = run(chain('hostile', talk, flaky, last), 'a', {
    scheduler,
    runId: 'r',
    store: memoryStore(),
  });
  const trace: unknown[] = [];
  transitions.pipe(tap ?? pipe()).subscribe({
    next: ({ event, state }) => trace.push({ event, state }),
    error: (error: unknown) => trace.push(String(error)),
    complete: () => trace.push('complete'),
  });
  scheduler.flush();
  // What agents log is hostile itself, and cannot be written.
  return JSON.stringify(trace, (key, value: unknown) => (key === 'data' ? typeof value : value), 1);
}

const broken = (): never => {
  throw new Error('broken');
};
const rejected = (): Promise<never> => Promise.reject(new Error('broken'));
const stuck = (): Promise<never> => new Promise(() => undefined);

function logged(options: LoggerOptions): Tap {
  return logTo(createLogger({ level: 'DEBUG', ...options }));
}

function output(log: (info: never, next: (error?: Error) => void) => void): Tap {
  const { Transport } = winston as unknown as { readonly Transport: new (options: object) => transport };
  return logged({ transports: [new Transport({ log })] });
}

function ruled(rule: () => unknown): Tap {
  const monitor = createMonitor();
  monitor.addAlertRule('hostile', rule as AlertRule);
  return measure(monitor);
}

function streamed(stream: AlertStream): Tap {
  const monitor = createMonitor();
  monitor.alert('hostile', stream);
  return measure(monitor);
}

function recorded(call: () => Promise<never>): Tap {
  return record({ createLog: call, addStepResult: call, completeLog: call } satisfies RecordTarget);
}

function destroyed(): PassThrough {
  const stream = new PassThrough();
  stream.on('error', () => undefined);
  stream.destroy(new Error('gone'));
  return stream;
}

const always = { always: (): boolean => true };
const screen = { write: broken, isTTY: true, columns: 80, rows: 24 };

const cases: Readonly<Record<string, () => Tap>> = {
  'a watcher that throws': () => watch(broken),
  'a watcher that throws nothing': () =>
    watch(() => {
      throw undefined;
    }),
  'a watcher that throws what cannot be printed': () =>
    watch(() => {
      throw Object.create(null);
    }),
  'a watcher that throws an error whose message throws': () =>
    watch(() => {
      throw {
        get message() {
          return broken();
        },
      };
    }),
  'a watcher that rejects': () => watch(rejected),
  'a watcher that never answers': () => watch(stuck),
  'a watcher whose answer has a `then` that throws': () => watch(() => ({ then: broken })),
  'a watcher whose answer has a `then` that cannot be read': () =>
    watch(() => ({
      get then() {
        return broken();
      },
    })),
  'a watcher that blocks': () =>
    watch(() => {
      const until = performance.now() + 2;
      while (performance.now() < until);
    }),
  'a watcher that subscribes to another run': () =>
    watch(() => {
      traceWith(undefined, 'fails');
    }),
  'a watcher that is a completed subject': () => {
    const subject = new Subject();
    subject.complete();
    return watch((item) => subject.next(item));
  },
  'a watcher that is an unsubscribed subject': () => {
    const subject = new Subject();
    // eslint-disable-next-line rxjs-x/no-subject-unsubscribe -- just that is the case
    subject.unsubscribe();
    return watch((item) => subject.next(item));
  },
  'a listener for tap errors that throws': () => watch(broken, { onTapError: broken }),
  'a logger whose log() throws': () => logTo({ log: broken, isEnabled: () => true }),
  'a logger whose isEnabled() throws': () => logTo({ log: () => undefined, isEnabled: broken }),
  'a log output that throws': () => output(broken),
  'a log output that errors': () =>
    output((_info, next) => {
      next(new Error('broken'));
    }),
  'a log output that never takes the next entry': () => output(() => undefined),
  'a log output that is destroyed': () => logged({ console: destroyed() }),
  'a log output that is full': () => logged({ console: new PassThrough({ highWaterMark: 1 }), queue: 1 }),
  'a log file that cannot be opened': () => logged({ file: '/dev/null/no/such/file' }),
  'a log whose clock throws': () => logged({ scheduler: { now: broken } }),
  'a log that is closed': () => {
    const logger = createLogger({ file: '/dev/null' });
    void logger.close();
    return logTo(logger);
  },
  'a monitor whose methods throw': () =>
    measure({ startWorkflow: broken, endWorkflow: broken, logAgentExecution: broken, checkAlerts: broken }),
  'no monitor at all': () => measure(undefined as never),
  'a rule that throws': () => ruled(broken),
  'a rule that rejects': () => ruled(rejected),
  'a stream rule that throws': () => streamed(broken),
  'a stream rule that errors': () => streamed(() => throwError(broken)),
  'a stream rule that completes': () => streamed(() => EMPTY),
  'a stream rule that never answers': () => streamed(() => NEVER),
  'an alert listener that throws': () => alertOn(always, broken),
  'an alert listener that rejects': () => alertOn(always, rejected),
  'an alert listener that never answers': () => alertOn(always, stuck),
  'an alert listener that asks for alerts again': () => {
    const monitor = createMonitor();
    monitor.addAlertRule('always', () => true);
    return pipe(
      measure(monitor),
      alertOn(monitor, () => monitor.checkAlerts()),
    );
  },
  'a screen that throws': () => progress(screen, { as: 'picture' }),
  'a screen that throws, line by line': () => progress(screen, { as: 'lines' }),
  'a screen that is destroyed': () => progress(destroyed()),
  'a progress clock that throws': () =>
    progress({ ...screen, write: () => true }, { as: 'picture', scheduler: { now: broken } }),
  'a history that throws': () => recorded(broken),
  'a history that rejects': () => recorded(rejected),
  'a history that never answers': () => recorded(stuck),
};

describe('P11 hostile taps (test 15)', () => {
  beforeAll(() => {
    // Also what fails after its run has ended is reported: for all of them, to nobody.
    jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  });
  afterAll(async () => {
    // A promise that rejects late, with nobody there to catch it, fails this file: Jest hears of it.
    await new Promise((resolve) => setTimeout(resolve, 20));
    jest.restoreAllMocks();
  });

  const completing = traceWith(undefined, 'completes');
  const failing = traceWith(undefined, 'fails');

  it('are compared with a run worth watching', () => {
    expect(JSON.parse(completing)).toHaveLength(16);
    expect(failing).toContain('RunError');
  });

  it.each(Object.entries(cases))('%s changes not one byte of the run', (_name, tap) => {
    expect(traceWith(tap(), 'completes')).toBe(completing);
    expect(traceWith(tap(), 'fails')).toBe(failing);
  });

  it('would be found out if their errors were not caught (promises test 23)', () => {
    expect(traceWith(rxTap(broken), 'completes')).not.toBe(completing);
  });

  it('all at once, too', () => {
    const all = Object.values(cases).reduce<Tap>((before, tap) => pipe(before, tap()), pipe());
    expect(traceWith(all, 'completes')).toBe(completing);
  });
});
