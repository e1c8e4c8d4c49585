import type { RunEvent } from '../../../lib/model/event';
import type { Plan } from '../../../lib/model/plan';
import { outputJournal } from '../../../lib/store/folder/deltas/writeDeltas';

const planOf = (steps: number): Plan =>
  Array.from({ length: steps }, (_, n) => ({
    path: `s${String(n)}`,
    kind: 'function',
    agent: 's',
    sources: ['input'],
  }));
const started = (input: unknown, steps: number): RunEvent => ({
  type: 'run.started',
  runId: 'book',
  seq: 1,
  at: 0,
  name: 'book',
  input,
  plan: planOf(steps),
});
const completed = (output: unknown): RunEvent => ({
  type: 'step.completed',
  runId: 'book',
  seq: 3,
  at: 0,
  path: 's0',
  agent: 's',
  attempt: 1,
  output,
  duration: 0,
});
/** A value whose JSON text has so many characters. */
const long = (characters: number) => ({ n: 1, text: 'x'.repeat(characters - '{"n":1,"text":""}'.length) });

describe('outputJournal()', () => {
  it.each([0, 1, 20, 1_000])(
    'makes outputs changes of an input that is large itself, with a plan of %d steps',
    (steps) => {
      const isChange = [599, 600, 50_000].map((characters) => {
        const journal = outputJournal();
        const input = long(characters);
        expect(JSON.stringify(input)).toHaveLength(characters);
        journal.text(started(input, steps));
        journal.wrote(started(input, steps));
        return 'patches' in (JSON.parse(journal.text(completed({ ...input, n: 2 }))) as object);
      });

      expect(isChange).toEqual([false, true, true]);
    },
  );

  it('makes the text of a large input once', () => {
    let made = 0;
    const text = 'x'.repeat(5_000);
    const input = Object.defineProperty({}, 'text', { enumerable: true, get: () => ((made += 1), text) });
    outputJournal().text(started(input, 3));

    expect(made).toBe(1);
  });
});
