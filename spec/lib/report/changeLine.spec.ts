import type { RunEvent } from '../../../lib/model/event';
import { changeText } from '../../../lib/report/changeLine';
import { eventText } from '../../../cli/view/eventText';

it('a run that was drained is not said to wait where it waits for nothing', () => {
  const rested = (waiting: readonly string[]): RunEvent => ({
    type: 'run.suspended',
    runId: 'r',
    seq: 9,
    at: 0,
    waiting,
    reason: 'drain',
    duration: 1,
  });

  expect(changeText(rested(['sign', 'pay']))).toBe('waits for sign, pay');
  expect(changeText(rested([]))).toBe('stopped, goes on when it is served again');
  expect(eventText(rested(['sign']), { lang: 'ko' })).toBe('기다림: sign');
  expect(eventText(rested([]), { lang: 'ko' })).toMatch(/^멈춤/);
});
