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
  /** Runs it and sends SIGINT once, when this has been written. */
  runUntil(text: string): Promise<Ended>;
  /** Runs it through a shell, where `"$@"` stands for the program: for limits and pipes. */
  runIn(shell: string, ...args: readonly string[]): Promise<Ended>;
  /** Starts it and leaves it to the caller. */
  start(...args: readonly string[]): ChildProcess;
  remove(): void;
}

/** Compiles a TypeScript file and what it imports of ours into one file, which finds what lies beside the original. */
export function childProgram(file: string): ChildProgram {
  // Inside the repository, so that packages are found.
  const folder = mkdtempSync(join(__dirname, '..', '..', 'node_modules', '.millrace-child-'));
  const outfile = join(folder, 'child.js');
  buildSync({
    entryPoints: [file],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    packages: 'external',
    define: { __dirname: JSON.stringify(dirname(file)) },
  });
  return {
    run: (...args) => ended(process.execPath, [outfile, ...args]),
    runUntil: (text) => ended(process.execPath, [outfile], text),
    runIn: (shell, ...args) => ended('bash', ['-c', shell, 'child', process.execPath, outfile, ...args]),
    start: (...args) => spawn(process.execPath, [outfile, ...args], { stdio: ['ignore', 'pipe', 'pipe'] }),
    remove() {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function ended(command: string, args: readonly string[], until?: string): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => {
      const before = stdout;
      stdout += chunk.toString();
      if (until !== undefined && stdout.includes(until) && !before.includes(until)) child.kill('SIGINT');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({ code, signal, stdout, stderr });
    });
  });
}
