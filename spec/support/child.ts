import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { buildSync } from 'esbuild';

/** How a child process ended, and what it wrote. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that can be run as a child process, started in a fraction of the time ts-node needs. */
export interface ChildProgram {
  run(...args: readonly string[]): Promise<Ended>;
  /** Runs it and sends a signal once, when this has been written. */
  runUntil(text: string, signal: NodeJS.Signals, ...args: readonly string[]): Promise<Ended>;
  /** Runs it through a shell, where `"$@"` stands for the program: for limits and pipes. */
  runIn(shell: string, ...args: readonly string[]): Promise<Ended>;
  /** Starts it and leaves it to the caller. */
  start(...args: readonly string[]): ChildProcess;
  /** The same through a shell, where `"$@"` stands for the program: for namespaces. */
  startIn(shell: string, ...args: readonly string[]): ChildProcess;
  remove(): void;
}

/** What a child process gets, and what its one file holds. */
export interface ChildOptions {
  /** Beside the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Packages are compiled into the file too: it starts in half the time, and takes longer to make. */
  readonly isWhole?: boolean;
}

/** Compiles a TypeScript file and what it imports of ours into one file, which finds what lies beside the original. */
export function childProgram(file: string, { env = {}, isWhole = false }: ChildOptions = {}): ChildProgram {
  // Inside the repository, so that packages are found.
  const folder = mkdtempSync(join(__dirname, '..', '..', 'node_modules', '.millrace-child-'));
  const outfile = join(folder, 'child.js');
  buildSync({
    entryPoints: [file],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    packages: isWhole ? 'bundle' : 'external',
    define: { __dirname: JSON.stringify(dirname(file)) },
  });
  const node = (...args: readonly string[]): ChildProcess =>
    spawn(process.execPath, [outfile, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const inShell = (shell: string, ...args: readonly string[]): ChildProcess =>
    spawn('bash', ['-c', shell, 'child', process.execPath, outfile, ...args], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  return {
    run: (...args) => ended(node(...args)),
    runUntil: (text, signal, ...args) => ended(node(...args), text, signal),
    runIn: (shell, ...args) => ended(inShell(shell, ...args)),
    start: node,
    startIn: inShell,
    remove() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function ended(child: ChildProcess, until?: string, signal?: NodeJS.Signals): Promise<Ended> {
  return new Promise((resolve, reject) => {
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const before = stdout;
      stdout += text;
      if (until !== undefined && stdout.includes(until) && !before.includes(until)) child.kill(signal);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code, by) => {
      resolve({ code, signal: by, stdout, stderr });
    });
  });
}
