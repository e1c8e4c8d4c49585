import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(__dirname, '../../..');
const script = join(root, 'dist/cli/millrace.js');

/** What a command has answered. */
export interface Typed {
  readonly stdout: string;
  readonly stderr: string;
  readonly exit: number | null;
}

/** The same with `--json`. */
export interface TypedJson {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- specs look into it
  readonly json: any;
  readonly exit: number | null;
}

/** Where and how a command is typed. */
export interface Typing {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly node?: string;
}

const { PATH = '' } = process.env;

/** Types a command, and waits for its end. Nothing of the environment of this process reaches it. */
export function millrace(
  args: readonly string[],
  { cwd, env = {}, input = '', node = process.execPath }: Typing,
): Typed {
  const { stdout, stderr, status } = spawnSync(node, [script, ...args], {
    cwd,
    encoding: 'utf8',
    env: { PATH, ...env },
    input,
    maxBuffer: 64 << 20,
  });
  return { stdout, stderr, exit: status };
}

/** Types a command with `--json`. Standard output is one JSON value and nothing else. */
export function millraceJson(args: readonly string[], typing: Typing): TypedJson {
  const { stdout, exit } = millrace([...args, '--json'], typing);
  return { json: JSON.parse(stdout), exit };
}

/** Begins a command that does not end by itself. */
export function begin(args: readonly string[], { cwd, env = {} }: Typing) {
  const child = spawn(process.execPath, [script, ...args], { cwd, env: { PATH, ...env } });
  const told = { stdout: '', stderr: '' };
  child.stdout.on('data', (bytes: Buffer) => (told.stdout += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (told.stderr += bytes.toString()));
  const ended = new Promise<number | null>((resolve) => {
    child.on('close', resolve);
  });
  return { child, told, ended };
}

/** A folder of a user's project, in which this package is installed. */
export function project(): { readonly folder: string; readonly remove: () => void } {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'millrace-typed-')));
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(root, join(folder, 'node_modules/millrace'), 'dir');
  symlinkSync(join(root, 'node_modules/rxjs'), join(folder, 'node_modules/rxjs'), 'dir');
  return {
    folder,
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
