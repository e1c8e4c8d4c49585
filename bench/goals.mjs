/** What docs/performance.md promises, worked out from the figures of one run. */
import { number } from './number.mjs';

const IN_MEMORY = ['W1', 'W1i', 'W2', 'W3', 'W4', 'W7'];
const SIZES = [100, 1_000, 10_000, 100_000];

/**
 * @param {{ value: (id: string, variant: string, column?: string) => number | undefined,
 *   ratio: (id: string, variant: string, baseline: string) => number | undefined }} figures
 *   `value`: the median of a column, by default of the one the workload goes by. `ratio`: the median of the ratios of the rounds.
 *   Both undefined for what was not measured.
 * @returns {{ goal: string, figure: string, reached: string }[]}
 */
export function goals({ value, ratio }) {
  const rows = [];
  const add = (goal, figure, isReached, text = times(figure)) =>
    rows.push(
      figure === undefined || !Number.isFinite(figure)
        ? { goal, figure: '-', reached: 'not measured' }
        : { goal, figure: text, reached: isReached(figure) ? 'yes' : 'no' },
    );
  const atMost = (limit) => (figure) => figure <= limit;
  const atLeast = (limit) => (figure) => figure >= limit;

  for (const id of IN_MEMORY) add(`${id} <= 3x rxjs-ev`, ratio(id, 'millrace', 'rxjs-ev'), atMost(3));
  add('W4 as `each` <= 3x rxjs-ev', ratio('W4', 'millrace each', 'rxjs-ev'), atMost(3));
  add('W4 in a plain pipe <= 3x rxjs-ev', ratio('W4', 'millrace pipe', 'rxjs-ev'), atMost(3));
  for (const id of IN_MEMORY)
    add(`${id}, state read every time <= 8x rxjs-ev`, ratio(id, 'millrace +state', 'rxjs-ev'), atMost(8));
  for (const peer of ['mastra', 'langgraph', 'llamaindex', 'xstate']) {
    const all = IN_MEMORY.map((id) => ratio(id, peer, 'millrace')).filter((each) => each !== undefined);
    const [least, most] = [Math.min(...all), Math.max(...all)];
    add(`${peer} >= 20x slower`, least, atLeast(20), `${times(least)} to ${times(most)}`);
  }

  const process = value('W5', 'millrace process');
  const floor = value('W5', 'append');
  add('W5 `process` <= 4x the append floor', process / floor, atMost(4));
  add(
    'W5 `process` <= 4x an append floor of 8.4 us',
    process / 8.4,
    atMost(4),
    `${times(process / 8.4)} (${number(process)} us)`,
  );
  const best = Math.min(
    ...['mastra LibSQL', 'langgraph Sqlite'].map((peer) => value('W5', peer) ?? Infinity),
  );
  add('W5 `process` >= 50x faster than mastra, langgraph', best / process, atLeast(50));
  const sixteen = value('W5', 'millrace disk x16');
  const syncs = value('W5', 'millrace disk x16', 'syncs/step');
  add('W5 `disk`, 16 runs at once <= 0.3 syncs a step', syncs, atMost(0.3), number(syncs));
  add(
    'W5 `disk`, 16 runs at once >= 8x faster than dbos',
    value('W5', 'dbos PostgreSQL') / sixteen,
    atLeast(8),
  );
  add('kept events <= 1.15x the CPU of a run without', ratio('events', 'journaled', 'none'), atMost(1.15));
  const kept = value('events', 'journaled', 'bytes/step') / value('events', 'none', 'bytes/step');
  add('kept events <= 1.6x the bytes of a run without', kept, atMost(1.6));
  const changed = value('W5-50KB', 'millrace process', 'bytes/step');
  add(
    'W5, 50 KB of state: journal <= 2x what changed',
    changed / 1_024,
    atMost(2),
    `${times(changed / 1_024)} (${number(changed)} bytes)`,
  );
  const grown = [100, 400].map((steps) => value('W5-growth', `${steps} steps`, 'bytes/step'));
  add(
    'the same: no more a step at 400 steps than at 100',
    grown[1] / grown[0],
    atMost(1.1),
    grown.map(number).join(' and '),
  );
  const resumed = value('W6', 'millrace process');
  const reading = value('W6', 'millrace, only opened and read');
  const figure = `${number(resumed / 1_000)} ms, of which opening and reading ${number(reading / 1_000)} ms`;
  add('W6 <= 10 ms + reading the file', (resumed - reading) / 1_000, atMost(10), figure);
  for (const call of ['open and begin one run', 'list newest 50', 'load one']) {
    const ms = value('store', call) / 1_000;
    add(`10,000 finished runs: ${call} < 100 ms`, ms, atMost(100), `${number(ms)} ms`);
  }

  for (const how of ['under way', 'at rest, served']) {
    const ms = value('inbox', how, 'longest stall ms');
    add(`300 runs ${how} beside 5,000 messages: no stall above 50 ms`, ms, atMost(50), `${number(ms)} ms`);
  }
  for (const where of ['memory', 'folder']) {
    const idle = value('waiting', where, 'idle CPU %');
    add(
      `10,000 waiting runs, ${where}: < 1 % CPU while nothing is due`,
      idle,
      atMost(1),
      `${number(idle)} %`,
    );
    const stall = value('waiting', where, 'longest stall ms');
    add(`all due at once, ${where}: no stall above 100 ms`, stall, atMost(100), `${number(stall)} ms`);
  }

  for (const [shape, variant] of [
    ['chain', 'millrace'],
    ['fan', 'millrace'],
    ['dag', 'millrace'],
    ['each', 'millrace each'],
  ]) {
    const growth = (name) => spread(SIZES.map((size) => value(`W8-${shape}-${size}`, name)));
    const [ours, theirs] = [growth(variant), growth('promises')];
    const text = `${times(ours)} (promises ${times(theirs)})`;
    add(
      `W8 ${shape}: worst <= 1.5x best, 100 to 100,000 (or 1.5x promises)`,
      ours,
      atMost(1.5 * Math.max(1, theirs)),
      text,
    );
  }
  for (const name of ['partial results of one step', 'items through runEach']) {
    const bytes = value('memory', name, 'bytes/1,000');
    add(`10^6 ${name}: < 1 KiB of heap per 1,000`, bytes, atMost(1_024), `${number(bytes)} bytes`);
  }
  for (const name of ['for a function', 'for a sleep']) {
    const bytes = value('W7-heap', name, 'bytes a run');
    add(`a run that waits ${name}: <= 9 KB of heap`, bytes, atMost(9_000), `${number(bytes)} bytes`);
  }
  const taps = value('W10', 'logTo + measure') - value('W10', 'no taps');
  add('`logTo` and `measure` together <= 10 us an event', taps, atMost(10), `${number(taps)} us`);
  const checked = (steps) => value('typing', `millrace, ${steps} steps`, 'instantiations');
  const bare = value('typing', 'millrace, no workflow', 'instantiations');
  const perStep = (steps) => (checked(steps) - bare) / steps;
  add(
    'type-checking: a step of 200 <= 1.5x a step of 20',
    perStep(200) / perStep(20),
    atMost(1.5),
    `${number(perStep(200))} and ${number(perStep(20))} instantiations`,
  );
  add(
    "require('millrace') <= 1.3x rxjs, io-ts and immer",
    ratio('startup', 'millrace: import', 'rxjs, io-ts and immer'),
    atMost(1.3),
  );
  add(
    'W14, a saved sum <= 3x `scan` and a JSON line an item',
    ratio('W14', 'millrace', 'scan + JSON line'),
    atMost(3),
  );
  return rows;
}

function spread(values) {
  return values.includes(undefined) ? undefined : Math.max(...values) / Math.min(...values);
}

const times = (figure) => `${number(figure)}x`;
