import { appendFileSync } from 'node:fs';

import * as t from 'io-ts';
import { lastValueFrom } from 'rxjs';

import type { Agent, StepContext, Wire } from '../../../index';
import { agent, approval, chain, workflow } from '../../../index';

/** One line of the execution log: which process began, or ended, which call. */
export interface Execution {
  readonly kind: 'begin' | 'end' | 'abort';
  readonly runId: string;
  readonly path: string;
  readonly attempt: number;
  readonly pid: number;
  readonly at: number;
}

const note = (kind: Execution['kind'], { runId, path, attempt }: StepContext): void => {
  const file = process.env['EXECUTIONS'];
  const line: Execution = { kind, runId, path, attempt, pid: process.pid, at: Date.now() };
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`);
};

/** An agent that takes its time and leaves a trace. */
const traced = <I, O>(name: string, ms: number, work: (input: I) => O): Agent<I, O> =>
  agent(name, async (input: I, context) => {
    note('begin', context);
    await new Promise((resolve) => setTimeout(resolve, ms * (0.5 + Math.random())));
    note('end', context);
    return work(input);
  }) as unknown as Agent<I, O>;

const load = traced('load', 20, (id: string) => `text ${id}`);
const normalize = traced('normalize', 20, (text: string) => text.toUpperCase());
const stats = traced('stats', 20, (text: string) => text.length);
const topics = traced('topics', 20, (text: string) => text.split(' '));
const deep = agent('deep', async (text: string, context) => {
  note('begin', context);
  const a = await lastValueFrom(context.step('count', stats, text));
  const b = await lastValueFrom(context.step('split', topics, text));
  note('end', context);
  return `${a} ${b.join()}`;
});
const render = traced('render', 20, (all: { s: number; t: string[]; d: string }) => JSON.stringify(all));

/** An uneven DAG with a function that asks for steps. */
export const report = workflow('torture report', (id: Wire<string>, step) => {
  const text = step('load', load, id);
  const clean = step('normalize', normalize, text);
  const s = step('stats', stats, clean);
  const words = step('topics', topics, clean);
  const d = step('deep', deep, text);
  return step('render', render, { s, t: words, d });
});

/** Waits for somebody. */
export const signing = chain(
  'signing',
  load,
  approval<boolean, string>('sign', t.boolean),
  traced('filed', 5, (yes: boolean) => `filed ${yes}`),
);

/** Runs until it is told to stop. */
export const endless = agent('endless', (_: string, context) => {
  note('begin', context);
  return new Promise<never>((_resolve, reject) => {
    context.signal.addEventListener('abort', () => {
      note('abort', context);
      reject(new Error('aborted'));
    });
  });
});

const first = traced('first', 400, (text: string) => `${text}1`);
const second = traced('second', 5, (text: string) => `${text}2`);
/** The same name, another plan. */
export const oldVersion = chain('versioned', first, second);
export const newVersion = chain(
  'versioned',
  first,
  second,
  traced('third', 5, (text: string) => `${text}3`),
);

export const served = { report, signing, endless, oldVersion, newVersion };
