import { join } from 'node:path';

import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';

describe('errors that nobody handles (test 16)', () => {
  let child: ChildProgram;
  beforeAll(() => {
    child = childProgram(join(__dirname, 'children', 'unhandled.ts'), { isWhole: true });
  });
  afterAll(() => {
    child.remove();
  });

  it.each([
    ['a tap that throws', 'completed', 'Tap "watch" failed: broken'],
    ['a tap that rejects', 'completed', 'Tap "watch" failed: broken'],
    ['an alert listener that rejects', 'completed', 'Tap "alertOn" failed: broken'],
    ['a rule that rejects', 'completed', 'Alert rule "async" failed'],
    ['a log file that cannot be opened', 'completed', 'Log entries are lost: ENOTDIR'],
    ['standard error that nobody reads', 'completed', ''],
    ['a run that fails, handled', 'handled', ''],
    ['a run that fails, as an outcome', 'completed', ''],
    ['a run that fails, executed', 'FAILED', ''],
    ['an agent that rejects after everybody has left', 'left', ''],
  ])('%s: the process goes on and ends with 0', async (name, stdout, warning) => {
    const ended = await child.run(name);
    expect(ended).toMatchObject({ code: 0, stdout: `${stdout}\n` });
    expect(ended.stderr.match(/MillraceWarning/g) ?? []).toHaveLength(warning === '' ? 0 : 1);
    expect(ended.stderr).toContain(warning);
  });

  it.each([
    ['a run that fails, unhandled', 'RunError: Run'],
    ['a subscriber of transitions that throws', 'Error: broken'],
    ['a subscriber of alerts$ that throws', 'Error: broken'],
  ])('%s: the process ends with 1, as RxJS has it', async (name, message) => {
    const ended = await child.run(name);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain(message);
  });
});
