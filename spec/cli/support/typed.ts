import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(__dirname, '../../..');
/** What is typed. */
export const script = join(root, 'dist/cli/millrace.js');

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

/** Begins a command, or another program, that does not end by itself. */
export function begin(
  args: readonly string[],
  { cwd, env = {}, program = script }: Typing & { readonly program?: string },
) {
  const child = spawn(process.execPath, [program, ...args], { cwd, env: { PATH, ...env } });
  let told = '';
  const heard: (() => void)[] = [];
  const hear = (bytes: Buffer): void => {
    told += bytes.toString();
    for (const each of heard) each();
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const ended = new Promise<number | null>((resolve) => {
    child.on('close', resolve);
  });
  const says = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (told.includes(text)) resolve();
      };
      heard.push(look);
      look();
      void ended.then(() => {
        reject(new Error(`It ended without "${text}": ${told}`));
      });
    });
  return { child, says, ended, told: () => told };
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
