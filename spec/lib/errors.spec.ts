import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  MillraceError,
  NonRetryableError,
  StorageError,
  UnknownRunError,
  ValidationError,
} from '../../index';
import { toFailure } from '../../lib/model/failure';
import { StepError } from '../../lib/errors/stepErrors';

const root = join(__dirname, '../..');

const sources = ['lib', 'operators', 'adapters', 'testing'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => ({ file: `${folder}/${file}`, text: readFileSync(join(root, folder, file), 'utf8') })),
);

/** Classes that extend `MillraceError`, with their codes, as the sources have them. */
const classes = sources.flatMap(({ file, text }) =>
  [...text.matchAll(/class (\w+) extends (\w*Error) \{(.*?)\n\}/gs)].flatMap(([, name, base, body = '']) =>
    codesIn(body, text).map((code) => ({ file, name, base, code })),
  ),
);

/** One code a class, or the keys of a record where the class says which type of code it has. */
function codesIn(body: string, text: string): readonly (string | undefined)[] {
  if (/readonly code: (?!string)\w+;/.test(body)) {
    const record = text.slice(0, text.indexOf('} as const'));
    return [...record.matchAll(/^ {2}([A-Z_]+): \d{3},$/gm)].map(([, code]) => code);
  }
  return [/(?:readonly code(?:: string)? =|failure\.code \?\?) '(\w+)'/.exec(body)?.[1]];
}

const table = [
  ...readFileSync(join(root, 'docs/errors.md'), 'utf8').matchAll(/^\| `(\w+)` +\| `(\w+)` /gm),
].map(([, code, name]) => ({ code, name }));

describe('errors', () => {
  it('all extend MillraceError, each with a code of its own', () => {
    // A TerminalError is how a worker answers Restate itself.
    const ours = classes.filter(({ name, base }) => name !== 'MillraceError' && base !== 'TerminalError');

    expect(ours.filter(({ base }) => base !== 'MillraceError')).toEqual([]);
    expect(ours.filter(({ code }) => code === undefined)).toEqual([]);
    expect(new Set(ours.map(({ code }) => code)).size).toBe(ours.length);
  });

  it('stand in docs/errors.md, every code and no other', () => {
    const inCode = classes.filter(({ code }) => code !== undefined).map(({ name, code }) => ({ code, name }));
    const byCode = (a: { code?: string | undefined }, b: { code?: string | undefined }) =>
      String(a.code) < String(b.code) ? -1 : 1;

    expect([...table].sort(byCode)).toEqual([...inCode].sort(byCode));
  });

  it('are no bare errors, where anybody outside can meet them', () => {
    const bare = sources
      .filter(({ text }) => /new (Type|Range)?Error\(/.test(text.replace(/^ *(\*|\/\/).*$/gm, '')))
      .map(({ file }) => file)
      .sort();

    // Caught where they are thrown, the cause of another error, or no error of ours.
    expect(bare).toEqual([
      'adapters/restate/protocol/exchange.ts',
      'adapters/restate/protocol/recovery.ts',
      'adapters/restate/worker/requests.ts',
      'adapters/workers/thread.ts',
      'lib/engine/local/startTimer.ts',
      'lib/model/shared.ts',
      'lib/store/events/eventLog.ts',
      'lib/store/events/eventReader.ts',
      'lib/store/folder/deltas/applyDeltas.ts',
      'lib/store/folder/files/largeJson.ts',
      'lib/store/folder/files/nodeFiles.ts',
      'lib/store/folder/records/sharedOutputs.ts',
      'lib/store/storeRequests.ts',
      'operators/runs/internal/runServer.ts',
      'testing/contract/keptSignals.ts',
      'testing/contract/served.ts',
      'testing/explore.ts',
      'testing/recordModel.ts',
    ]);
  });

  it('say in JSON what kind they are, what was the matter, and what to do', () => {
    const error: MillraceError = new UnknownRunError('r');

    expect(JSON.parse(JSON.stringify(error))).toEqual({
      code: 'UNKNOWN_RUN',
      name: 'UnknownRunError',
      message: 'Cannot find run "r"; listRuns() names those that are there',
      next: 'listRuns() names those that are there',
    });
    expect(error).toBeInstanceOf(MillraceError);
    expect(new NonRetryableError('no such page', { cause: 404 })).toMatchObject({
      message: 'no such page',
      code: 'NOT_RETRYABLE',
      cause: 404,
    });
  });

  it('of the system keep the code of the system apart from ours', () => {
    const error = new StorageError('write', 'x', Object.assign(new Error('full'), { code: 'ENOSPC' }));

    expect(error).toMatchObject({ code: 'STORAGE_FAILED', systemCode: 'ENOSPC' });
  });

  it('give their code to the failure that is stored, and those that stand for a failure that of its own', () => {
    const failure = toFailure(Object.assign(new Error('reset'), { code: 'ECONNRESET' }), 'ask');
    const { code: _code, ...old } = failure;

    expect(failure.code).toBe('ECONNRESET');
    expect(toFailure(new ValidationError('it', []))).toMatchObject({ code: 'VALIDATION_FAILED' });
    expect(toFailure(new StepError(failure, undefined))).toEqual(failure);
    expect(toFailure(new StepError(old, undefined))).toEqual(old);
    expect(toFailure(Object.assign(new Error('odd'), { code: 7 })).code).toBeUndefined();
  });
});
