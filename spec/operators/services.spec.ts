import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';

import * as t from 'io-ts';
import { lastValueFrom, of, range, toArray } from 'rxjs';

import type { Wire } from '../../index';
import {
  agent,
  answer,
  approval,
  chain,
  createLogger,
  each,
  execute,
  fork,
  logTo,
  lowdbStore,
  memoryStore,
  outputs,
  resume,
  run,
  runEach,
  saveTo,
  serve,
  submit,
  workflow,
} from '../../index';
import { MissingServiceError } from '../../errors';
import { restateEngine } from '../../adapters/restate';
import { collect } from '../support/told';
import { until } from '../support/until';

declare module '../../lib/model/agentType' {
  interface Services {
    readonly spelling: { readonly key: string; greet(name: string): string };
    readonly cache?: Map<string, string>;
  }
}

const SECRET = 'tenant-key-9f3a';

class Spelling {
  readonly key = SECRET;
  greet(name: string): string {
    return `hello ${name}`;
  }
}

const services = { spelling: new Spelling() };

const greet = agent('greet', (name: string, context) => context.services.spelling.greet(name));

describe('context.services', () => {
  it('gives what run() was given, in nested steps, items and a context that was taken apart', async () => {
    const nested = agent('nested', (name: string, context) => context.call('greet', greet, name));
    const apart = agent('apart', (name: string, { services: { spelling } }) => spelling.greet(name));
    const spread = agent('spread', (name: string, context) => ({ ...context }).services.spelling.greet(name));
    const flow = workflow('flow', (input: Wire<string[]>, step) =>
      [greet, nested, apart, spread].map((each_) => step(each_.name, each(`${each_.name}s`, each_), input)),
    );

    const { output } = await execute(flow, ['a'], { services });

    expect(output).toEqual(Array.from({ length: 4 }, () => ['hello a']));
  });

  it('of what was not given is an error with its name; `in` tells without one', async () => {
    const careful = agent('careful', (_: string, { services: given }) => [
      'cache' in given,
      'spelling' in given,
    ]);

    expect((await execute(careful, 'x', { services })).output).toEqual([false, true]);
    for (const options of [{}, { services: {} }]) {
      const { error } = await execute(greet, 'a', options);
      expect(error).toMatchObject({
        name: 'MissingServiceError',
        code: 'MISSING_SERVICE',
        path: 'greet',
        retryable: false,
      });
      expect(error?.message).toContain('Cannot use service "spelling"');
    }
    expect(new MissingServiceError('db')).toMatchObject({ service: 'db' });
    await expect(lastValueFrom(of('a').pipe(greet))).rejects.toMatchObject({ code: 'MISSING_SERVICE' });
  });

  it('are needed again by whoever resumes the run', async () => {
    const store = memoryStore();
    const flow = chain('flow', greet, approval('sure', t.string), greet);
    await execute(flow, 'a', { store, runId: 'r', services });
    await answer('r', 'sure', 'b', { store });

    const failed = await execute(flow, 'a', { store, runId: 'r' });
    expect(failed.error).toMatchObject({ code: 'MISSING_SERVICE', path: 'greet[1]' });

    const { state } = await lastValueFrom(resume(flow, 'r', { store, services }));
    expect(state.output).toBe('hello b');
  });

  it('are given to all runs that are served, and to each of runEach', async () => {
    const store = memoryStore();
    await submit(greet, 'a', { store, runId: 'r' });
    const served = collect(serve([greet], { store, services }));
    await until(async () => (await store.loadRun('r'))?.status === 'COMPLETED');
    served.leave?.();

    const all = range(1, 3).pipe(
      runEach(
        agent('n', (n: number, context) => context.services.spelling.greet(String(n))),
        { services },
      ),
      outputs(),
      toArray(),
    );
    expect(await lastValueFrom(all)).toHaveLength(3);
    expect((await store.loadRun('r'))?.output).toBe('hello a');
  });

  it('are nowhere in what is saved, told or logged, whatever an agent does with its context', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-services-'));
    const logs = mkdtempSync(join(tmpdir(), 'millrace-logs-'));
    try {
      const store = lowdbStore(folder);
      const logger = createLogger({ level: 'DEBUG', file: join(logs, 'run.log') } as never);
      const printed: string[] = [];
      const careless = agent(
        'careless',
        (name: string, context) => {
          context.log('INFO', 'context', context);
          context.log('INFO', 'services', { given: context.services });
          context.emit({ given: context.services });
          printed.push(
            inspect(context, { depth: 9, showProxy: false }),
            JSON.stringify(context.services),
            inspect(context.services),
          );
          if (context.attempt === 1) throw Object.assign(new Error('once'), { context: { ...context } });
          return { name: context.services.spelling.greet(name), given: { ...context.services } };
        },
        { retry: 1 },
      );
      const flow = chain('flow', careless, approval('sure', t.string), greet);
      const told = collect(
        run(flow, 'a', { store, runId: 'r', services, recordInputs: true }).pipe(
          logTo(logger),
          saveTo(() => 'all', { store }),
        ),
      );
      await until(() => told.ended !== 'open');
      const forked = await fork('r', { store, from: 'careless' });
      await execute(flow, 'a', { store, runId: forked, services });
      await store.close();

      const files = [folder, logs].flatMap((root) =>
        readdirSync(root, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1')),
      );
      expect(files.length).toBeGreaterThan(3);
      expect(files.filter((text) => text.includes(SECRET))).toEqual([]);
      expect(JSON.stringify(told.events)).not.toContain(SECRET);
      expect(JSON.stringify(logger.getLogs())).not.toContain(SECRET);
      expect(printed.join()).not.toContain(SECRET);
      expect(inspect(told.transitions, { depth: 12 })).not.toContain(SECRET);
    } finally {
      rmSync(folder, { recursive: true });
      rmSync(logs, { recursive: true });
    }
  });

  it('are refused by name where they cannot be given', () => {
    const engine = restateEngine({ ingress: 'http://127.0.0.1:1' });

    expect(() => run(greet, 'a', { services, engine })).toThrow('serveRestate(agents, { services })');
    expect(() => run(greet, 'a', { services: 'db' as never })).toThrow(
      'Cannot run with services of type string',
    );
    expect(() => serve([greet], { store: memoryStore(), services: 1 as never })).toThrow(
      'services of type number',
    );
  });
});
