import type { Subscription } from 'rxjs';

import { createLogger } from '../../../lib/log/logger';
import { createMonitor } from '../../../lib/metrics/monitor';
import { agent } from '../../../operators/agents/agent';
import { execute } from '../../../operators/runs/execute';
import { outcomes } from '../../../operators/runs/outcomes';
import { run } from '../../../operators/runs/run';
import { alertOn } from '../../../operators/taps/alertOn';
import { logTo } from '../../../operators/taps/logTo';
import { measure } from '../../../operators/taps/measure';
import { progress } from '../../../operators/taps/progress';
import { watch } from '../../../operators/taps/watch';

const good = agent('good', async (text: string) => text);
const bad = agent('bad', async (): Promise<string> => {
  throw new Error('bad agent');
});
const broken = (): never => {
  throw new Error('broken');
};
const rejected = (): Promise<never> => Promise.reject(new Error('broken'));
const said = (text: unknown) => (): void => {
  process.stdout.write(`${String(text)}\n`);
};
const whenDone = { complete: said('completed'), error: said('handled') };

const cases: Readonly<Record<string, () => void>> = {
  'a tap that throws': () => run(good, 'x').pipe(watch(broken)).subscribe(whenDone),
  'a tap that rejects': () => run(good, 'x').pipe(watch(rejected)).subscribe(whenDone),
  'an alert listener that rejects': () =>
    run(good, 'x')
      .pipe(alertOn({ always: () => true }, rejected))
      .subscribe(whenDone),
  'a rule that rejects': () => {
    const monitor = createMonitor();
    monitor.addAlertRule('async', rejected as never);
    run(good, 'x').pipe(measure(monitor)).subscribe(whenDone);
  },
  'a log file that cannot be opened': () =>
    run(good, 'x')
      .pipe(logTo(createLogger({ file: '/dev/null/x' })))
      .subscribe(whenDone),
  'standard error that nobody reads': () => {
    process.stderr.destroy(new Error('EPIPE'));
    run(good, 'x')
      .pipe(progress(), logTo(createLogger({ console: true })))
      .subscribe(whenDone);
  },
  'a run that fails, handled': () => run(bad).subscribe(whenDone),
  'a run that fails, as an outcome': () => run(bad).pipe(outcomes()).subscribe(whenDone),
  'a run that fails, executed': () => void execute(bad).then(({ status }) => said(status)()),
  'an agent that rejects after everybody has left': () => {
    const late = agent(
      'late',
      () =>
        new Promise<string>((_, reject) => {
          setImmediate(() => {
            subscription.unsubscribe();
            said('left')();
            setImmediate(reject, new Error('late'));
          });
        }),
    );
    const subscription: Subscription = run(late)
      .pipe(watch(() => undefined))
      .subscribe(whenDone);
  },
  'a run that fails, unhandled': () => run(bad).subscribe({ complete: said('completed') }),
  'a subscriber of transitions that throws': () => run(good, 'x').subscribe({ ...whenDone, next: broken }),
  'a subscriber of alerts$ that throws': () => {
    const monitor = createMonitor();
    monitor.addAlertRule('always', () => true);
    monitor.alerts$.subscribe(broken);
    run(good, 'x').pipe(measure(monitor)).subscribe(whenDone);
  },
};

cases[process.argv[2] ?? '']?.();
