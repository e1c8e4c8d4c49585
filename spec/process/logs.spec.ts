import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { LogEntry } from '../../lib/log/entry';
import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';

const LINES = 20_000;

describe('a process that logs 20,000 lines (test 22)', () => {
  let folder: string;
  let child: ChildProgram;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-logs-'));
    child = childProgram(join(__dirname, 'children', 'logs.ts'), { isWhole: true });
  });
  afterAll(() => {
    child.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const fileOf = (how: string): string => join(folder, `${how}.log`);
  /** The whole lines, each of them JSON, in order and without gaps. */
  const wholeLines = (how: string): number => {
    const lines = readFileSync(fileOf(how), 'utf8').split('\n').slice(0, -1);
    const last = JSON.parse(lines.at(-1) ?? '{"message":"line 0"}') as LogEntry;
    for (const line of lines) JSON.parse(line);
    expect(last.message).toBe(`line ${lines.length - 1}`);
    return lines.length;
  };

  it.each([
    ['ends', { code: 0 }],
    ['closes', { code: 0 }],
    ['exits', { code: 3 }],
    ['throws', { code: 1 }],
    ['rejects', { code: 1 }],
    ['SIGTERM handled', { code: 143 }],
    ['SIGTERM when idle', { signal: 'SIGTERM' }],
  ])('loses none: %s', async (how, end) => {
    const ended = await child.run(how, fileOf(how));
    expect(ended).toMatchObject(end);
    expect(wholeLines(how)).toBe(LINES);
  });

  it('loses the last 64 KiB at most when SIGTERM comes unhandled in the turn that logs', async () => {
    const ended = await child.run('SIGTERM', fileOf('SIGTERM'));
    expect(ended.signal).toBe('SIGTERM');
    const lost = LINES - wholeLines('SIGTERM');
    expect(lost * 110).toBeLessThanOrEqual(65_536 + 110);
  });

  const onLinux = existsSync('/dev/full') ? it : it.skip;

  onLinux('loses all when the disk is full, counts them, says so once, and is not harmed', async () => {
    const ended = await child.run('ends', '/dev/full');
    expect(ended).toMatchObject({ code: 0, stdout: `dropped ${LINES}` });
    expect(ended.stderr.match(/MillraceWarning: Log entries are lost: ENOSPC/g)).toHaveLength(1);
  });

  onLinux('loses and counts what comes after the disk has become full, down to the line', async () => {
    // 512 KiB is the longest this file may become; the signal that goes with the limit is ignored, as a full disk has none.
    const ended = await child.runIn('trap \'\' XFSZ; ulimit -f 512; exec "$@"', 'ends', fileOf('full'));
    expect(ended.code).toBe(0);
    const text = readFileSync(fileOf('full'), 'utf8');
    const whole = text.split('\n').filter((line) => line.endsWith('}}')).length;
    expect(whole).toBeGreaterThan(3_000);
    expect(ended.stdout).toBe(`dropped ${LINES - whole}`);
  });
});
