import { join } from 'node:path';

import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';

let program: ChildProgram | undefined;
const example = (name: string): ChildProgram =>
  (program = childProgram(join(__dirname, '..', '..', 'examples', name)));

afterEach(() => {
  program?.remove();
});

describe('S41 examples/monitoring.ts', () => {
  it('runs ten times and more; rules fire and clear; the report comes in both languages', async () => {
    const { code, stdout: text, stderr: errors } = await example('monitoring.ts').run();
    expect(code).toBe(0);
    expect(text.split('\n').slice(0, 4)).toEqual([
      '!! failure rate above 30 % (5 runs, 2 failed)',
      '!! failing within 5 minutes (6 runs, 3 failed)',
      'ok failure rate above 30 % (10 runs, 3 failed)',
      'ok failing within 5 minutes (11 runs, 3 failed)',
    ]);
    expect(text).toContain('log: {"DEBUG":0,"INFO":51,"WARNING":3,"ERROR":6,"CRITICAL":0}');
    expect(text).toContain('    - 번역 서비스: 실행 12회, 성공률 75%');
    expect(text).toContain('    - 번역 서비스: 12 executions, success rate 75%');
    expect(errors).toContain('To go on from 번역');
  });
});

describe('examples/log-watch.ts', () => {
  it('watches a growing file in windows of time until Ctrl-C, and ends cleanly', async () => {
    const { code, stdout: text } = await example('log-watch.ts').runUntil('lines, 0 errors', 'SIGINT');
    expect(code).toBe(0);
    // Where it starts late, errors are in its first windows already; after them every window is quiet again.
    expect(text).toMatch(
      /^watching .*app\.log; Ctrl-C ends it\n\n(?:(?:\d+ lines, [1-9]\d* errors|(?:!!|ok) two bad .*)\n)*\d+ lines, 0 errors\n/,
    );
    expect(text).toContain('Workflow: window');
  });
});
