import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { execute, lowdbStore } from '../../index';
import { until } from '../support/until';
import { book } from './support/flows';
import { project, script } from './support/typed';

/** Where tmux is missing, what needs a terminal is skipped; in CI it fails instead. */
const hasTerminal = process.env['CI'] !== undefined || spawnSync('tmux', ['-V']).status === 0;
if (!hasTerminal) process.stderr.write('tmux is not installed: no terminal is looked at\n');

const SLOW = `
import { agent } from 'millrace';
export const slow = agent('slow', (ms, { signal }) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); });
}));
`;

(hasTerminal ? describe : describe.skip).each([80, 120])('on a terminal of %i columns', (columns) => {
  const { folder: cwd, remove } = project();
  const socket = `millrace-${process.pid}-${columns}`;
  const tmux = (...args: readonly string[]): string => {
    const { stdout, stderr, status } = spawnSync('tmux', ['-L', socket, ...args], { encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
    return stdout;
  };
  const seen = (): string => tmux('capture-pane', '-p', '-J');
  const types = (line: string): string => tmux('send-keys', line, 'Enter');
  const shows = (text: string): Promise<unknown> => until(() => seen().includes(text), 60_000);

  beforeAll(() => {
    writeFileSync(join(cwd, 'flows.mjs'), SLOW);
    tmux('-f', '/dev/null', 'new-session', '-d', '-x', String(columns), '-y', '24', '-c', cwd, 'sh');
    // A terminal of a person, whoever runs this.
    types(`unset CI; millrace() { "${process.execPath}" "${script}" "$@"; }; clear`);
  });
  afterAll(() => {
    tmux('kill-server');
    remove();
  });

  it('Ctrl-C during a run leaves the cursor, the picture and 130', async () => {
    types('millrace run slow 60000 --id s --agents flows.mjs; echo "ended with $?"');
    await shows('◐');
    tmux('send-keys', 'C-c');
    await shows('ended with 130');

    expect(tmux('display', '-p', '#{cursor_flag}').trim()).toBe('1');
    expect(seen()).toContain('cancelled');
  });

  it('Ctrl-C at a question does nothing, and ends with 130', async () => {
    const store = lowdbStore(join(cwd, 'state'));
    await execute(book, 2, { store, runId: 'done' });
    await store.close();
    types('clear; millrace delete --status completed; echo "ended with $?"');
    await shows('[y/N]');
    tmux('send-keys', 'C-c');
    await shows('ended with');

    expect(seen()).toContain('ended with 130');
    expect(tmux('display', '-p', '#{cursor_flag}').trim()).toBe('1');
    expect((await store.listRuns({ status: 'COMPLETED' })).map(({ runId }) => runId)).toEqual(['done']);
  });

  it('draws no line that is wider', async () => {
    types('clear; millrace list; millrace streams; millrace show done; echo "ended with $?"');
    await shows('ended with 0');

    const lines = seen().split('\n');
    expect(Math.max(...lines.map((line) => line.trimEnd().length))).toBeLessThanOrEqual(columns);
  });
});
