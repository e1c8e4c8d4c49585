import type { ChildProcess } from 'node:child_process';
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

import * as library from '../../index';
import { StoreLockedError } from '../../lib/errors/storageErrors';
import { answersAt, listenAt } from '../../lib/store/folder/lock/ownerSocket';
import type { ChildProgram } from '../support/child';
import { childProgram } from '../support/child';

const { agent, chain, execute, lowdbStore } = library;

const job = chain(
  'job',
  agent('one', (n: number) => n + 1),
);

const NAMESPACE = 'exec unshare --pid --fork --kill-child --mount --mount-proc';
const canUnshare = ((): boolean => {
  try {
    execFileSync('unshare', ['--pid', '--fork', '--mount', '--mount-proc', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();
if (!canUnshare) console.log('Skipped: this machine does not allow namespaces (unshare --pid --mount)');
const MOUNT = 'mount --bind "$BOOT" /proc/sys/kernel/random/boot_id';
const canMount = ((): boolean => {
  const boot = join(fs.mkdtempSync(join(tmpdir(), 'millrace-boot-')), 'boot');
  fs.writeFileSync(boot, '');
  try {
    const shell = ['--pid', '--fork', '--mount', '--mount-proc', 'sh', '-c', MOUNT];
    execFileSync('unshare', shell, { stdio: 'ignore', env: { ...process.env, BOOT: boot } });
    return true;
  } catch {
    return false;
  } finally {
    fs.rmSync(join(boot, '..'), { recursive: true });
  }
})();
if (canUnshare && !canMount) console.log(`Skipped: this machine does not allow ${MOUNT}`);
/** Where the tool is missing a specification is left out; with CI set it fails instead. */
const where = (can: boolean): jest.It => (can || process.env['CI'] !== undefined ? it : it.skip);

/** A child that owns the folder, and what it has said. */
class Owner {
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;
  said = '';

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.on('data', (text: Buffer) => (this.said += text.toString()));
    child.stderr?.on('data', (text: Buffer) => (this.said += text.toString()));
    this.ended = new Promise((resolve) => child.once('close', resolve));
  }

  get acknowledged(): readonly string[] {
    return this.said.split('\n').filter((line) => line.startsWith('ack '));
  }

  async until(isThere: () => boolean): Promise<this> {
    for (let waits = 0; !isThere(); waits += 1) {
      if (waits > 12_000) throw new Error(`waited in vain: ${this.said}`);
      await pause(5);
    }
    return this;
  }

  has(count: number): Promise<this> {
    return this.until(() => this.acknowledged.length >= count);
  }

  /** Is stopped as soon as it has acknowledged so many steps; what it has said until then is read. */
  async stoppedAfter(count: number): Promise<this> {
    const stop = (): void => {
      if (this.acknowledged.length >= count) this.child.kill('SIGSTOP');
    };
    this.child.stdout?.on('data', stop);
    await this.has(count);
    await pause(50);
    // Pipes are read between the timers and this, also where both have been held up.
    await new Promise((resolve) => setImmediate(resolve));
    this.child.stdout?.off('data', stop);
    return this;
  }

  ends(): Promise<this> {
    return this.until(() => /^(done|error)/m.test(this.said));
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** More steps than can be done while others start, look and are refused. */
const MANY_STEPS = ['', '2000'] as const;

describe('the owner of a folder', () => {
  let base: string;
  let folder: string;
  let program: ChildProgram;
  const started: Owner[] = [];
  const start = (...args: readonly string[]): Owner => keep(new Owner(program.start(folder, ...args)));
  const startIn = (shell: string, ...args: readonly string[]): Owner =>
    keep(new Owner(program.startIn(shell, folder, ...args)));
  const keep = (owner: Owner): Owner => {
    started.push(owner);
    return owner;
  };
  beforeAll(() => {
    program = childProgram(join(__dirname, '../lib/store/support/owningChild.ts'), { isWhole: true });
  });
  afterAll(() => {
    program.remove();
  });
  beforeEach(() => {
    base = fs.mkdtempSync(join(tmpdir(), 'millrace-owner-'));
    folder = join(base, 'state');
  });
  afterEach(async () => {
    for (const { child } of started) child.kill('SIGKILL');
    await Promise.all(started.splice(0).map(({ ended }) => ended));
    fs.rmSync(base, { recursive: true, force: true });
  });

  it('keeps others out while it is stopped, and lets them in at once when it was killed', async () => {
    const first = await start('a', ...MANY_STEPS).has(3);
    first.child.kill('SIGSTOP');
    await expect(execute(job, 1, { store: lowdbStore(folder), runId: 'b' })).rejects.toThrow(
      StoreLockedError,
    );
    first.child.kill('SIGKILL');
    await first.ended;
    const store = lowdbStore(folder);
    const begun = performance.now();
    await execute(job, 1, { store, runId: 'b' });

    // A lease that had to pass would take 10 s.
    expect(performance.now() - begun).toBeLessThan(8_000);
    const left = (await store.loadRun('a'))?.steps.size ?? 0;
    expect(left).toBeGreaterThanOrEqual(first.acknowledged.length);
    await store.close();
  });

  it.each([
    ['its lock was removed', () => fs.rmSync(join(folder, 'lock'), { recursive: true })],
    ['its folder was removed', () => fs.rmSync(folder, { recursive: true })],
    ['its folder was moved away', () => fs.renameSync(folder, join(base, 'moved'))],
  ])('acknowledges nothing more once %s and somebody else has opened it', async (_, take) => {
    const first = await start('r').stoppedAfter(5);
    const { length } = first.acknowledged;
    take();
    const second = await start('r').has(3);
    first.child.kill('SIGCONT');
    await first.ends();

    expect(first.said).toContain('error StorageError: Cannot write to');
    expect(first.acknowledged).toHaveLength(length);
    await second.ends();
    expect(second.said).toContain('done');
    const state = await lowdbStore(folder).loadRun('r');
    expect(state?.status).toBe('COMPLETED');
    for (const line of second.acknowledged)
      expect(state?.steps.get(line.slice(4))?.output).toMatchObject({ by: second.child.pid });
  });

  it('acknowledges nothing after it was stopped beyond a lease that somebody else has taken', async () => {
    const first = await start('r', '600').stoppedAfter(5);
    const { length } = first.acknowledged;
    const second = await start('r', '600').has(3);
    first.child.kill('SIGCONT');
    await first.ends();

    expect(first.said).toContain('error StorageError: Cannot write to');
    expect(first.acknowledged).toHaveLength(length);
    await second.ends();
    expect(second.said).toContain('done');
  });

  it('is never taken for dead while it beats, where the kernel proves nothing', async () => {
    // Longer than a busy machine holds up a beat; and more steps than can be done meanwhile.
    const first = await start('a', '2000', '2000').has(3);
    const second = await start('b', '2000').ends();
    expect(second.said).toContain('error StoreLockedError');
    await first.has(first.acknowledged.length + 3);
    expect(first.said).not.toContain('error');
  });

  for (const [what, can, prepare] of [
    ['', canUnshare, ''],
    [
      ' whose machine seems to have another boot id',
      canUnshare && canMount,
      `${MOUNT} && cmp -s "$BOOT" /proc/sys/kernel/random/boot_id && `,
    ],
  ] as const)
    where(can)(
      `is seen from another container${what}: alive while it lives, dead when it was killed`,
      async () => {
        const boot = join(base, 'boot');
        fs.writeFileSync(boot, '11111111-2222-3333-4444-555555555555\n');
        const shell = `export BOOT=${boot}; ${NAMESPACE} bash -c '${prepare}exec "$@"' child "$@"`;
        const first = await startIn(`${NAMESPACE} "$@"`, 'a', ...MANY_STEPS).has(3);
        const refused = await startIn(shell, 'b').ends();
        expect(refused.said).toContain('error StoreLockedError');
        first.child.kill('SIGKILL');
        await first.ended;
        const second = await startIn(shell, 'b', '', '3').ends();

        expect(second.said).toContain('done');
        expect(Number(/open (\d+)/.exec(second.said)?.[1])).toBeLessThan(8_000);
      },
    );

  it('that was a thread lets others in when the thread was terminated', async () => {
    const outfile = join(base, 'thread.js');
    const program = childProgram(join(__dirname, '../lib/store/support/owningChild.ts'), { isWhole: true });
    const probe = program.start('');
    fs.copyFileSync(probe.spawnargs[1] as string, outfile);
    probe.kill('SIGKILL');
    program.remove();
    const thread = new Worker(outfile, { argv: [folder, 'a', ...MANY_STEPS], stdout: true });
    let said = '';
    thread.stdout.on('data', (text: Buffer) => (said += text.toString()));
    while (!said.includes('ack s1')) await pause(5);
    await expect(execute(job, 1, { store: lowdbStore(folder), runId: 'b' })).rejects.toThrow(
      StoreLockedError,
    );
    await thread.terminate();
    const store = lowdbStore(folder);

    expect((await execute(job, 1, { store, runId: 'b' })).status).toBe('COMPLETED');
    await store.close();
  });

  it('answers in a folder with a long path, and minds nobody who leaves early', async () => {
    const long = join(base, 'x'.repeat(120));
    fs.mkdirSync(long);
    const server = await listenAt(long, 'a.sock');
    expect(await Promise.all(Array.from({ length: 50 }, () => answersAt(long, 'a.sock')))).toEqual(
      Array.from({ length: 50 }, () => 'accepted'),
    );
    server?.close();

    expect(await answersAt(long, 'a.sock')).toBe('refused');
    expect(await answersAt(long, 'b.sock')).toBe('none');
  });
});

describe('a store that could not be closed', () => {
  it('can be closed and opened again once the cause is gone', async () => {
    const folder = fs.mkdtempSync(join(tmpdir(), 'millrace-owner-'));
    const store = lowdbStore(folder);
    await execute(job, 1, { store, runId: 'a' });
    const real = jest.requireActual<typeof fs>('node:fs');
    const open = jest.spyOn(real, 'openSync').mockImplementation((path) => {
      throw Object.assign(new Error(`EROFS: made up, open '${String(path)}'`), { code: 'EROFS' });
    });
    await expect(store.close()).rejects.toThrow('EROFS');
    open.mockRestore();

    await store.close();
    const other = lowdbStore(folder);
    expect((await other.loadRun('a'))?.status).toBe('COMPLETED');
    await execute(job, 1, { store: other, runId: 'b' });
    await other.close();
    await execute(job, 1, { store, runId: 'c' });
    await store.close();
    fs.rmSync(folder, { recursive: true });
  });

  it('gives its folder to another copy of the library in the same process', async () => {
    const folder = fs.mkdtempSync(join(tmpdir(), 'millrace-owner-'));
    await execute(job, 1, { store: lowdbStore(folder), runId: 'a' });
    jest.resetModules();
    const again = jest.requireActual<typeof library>('../../index');
    const store = again.lowdbStore(folder);
    const other = again.chain(
      'job',
      again.agent('one', (n: number) => n + 1),
    );

    expect((await again.execute(other, 1, { store, runId: 'b' })).status).toBe('COMPLETED');
    expect((await store.loadRun('a'))?.status).toBe('COMPLETED');
    await store.close();
    fs.rmSync(folder, { recursive: true });
  });
});
