/** The goals, and what was reached of them in one run. */
import { number } from './number.mjs';

const IN_MEMORY = ['W1', 'W1i', 'W2', 'W3', 'W4', 'W7'];
/** What goes through items, and the variant that does. */
const ITEMS = {
  'as `runEach`': 'millrace',
  'as `each`': 'millrace each',
  'in a plain pipe': 'millrace pipe',
};
const SIZES = [100, 1_000, 10_000, 100_000];

/**
 * @param {{ value: (id: string, variant: string, column?: string) => number | undefined,
 *   ratio: (id: string, variant: string, baseline: string) => number | undefined }} figures
 *   `value`: the median of a column, by default of the one the workload goes by. `ratio`: the median of the ratios of the rounds.
 *   Both undefined for what was not measured.
 * @param {number} slack By how much a goal may be missed: a machine that others use too needs a wide margin.
 * @returns {{ goal: string, figure: string, reached: string }[]}
 */
export function goals({ value, ratio }, slack = 1) {
  const rows = [];
  const add = (goal, figure, isReached, text = times(figure)) =>
    rows.push(
      figure === undefined || !Number.isFinite(figure)
        ? { goal, figure: '-', reached: 'not measured' }
        : { goal, figure: text, reached: isReached(figure) ? 'yes' : 'no' },
    );
  const atMost = (limit) => (figure) => figure <= limit * slack;
  const atLeast = (limit) => (figure) => figure >= limit / slack;

  for (const id of ['W1', 'W1i', 'W2', 'W3', 'W7'])
    add(`${id} <= 1.5x rxjs-ev`, ratio(id, 'millrace', 'rxjs-ev'), atMost(1.5));
  for (const [how, variant] of Object.entries(ITEMS))
    add(`W4 ${how} <= 3x rxjs-ev`, ratio('W4', variant, 'rxjs-ev'), atMost(3));
  for (const id of IN_MEMORY)
    add(`${id}, state read every time <= 4x rxjs-ev`, ratio(id, 'millrace +state', 'rxjs-ev'), atMost(4));
  for (const peer of ['mastra', 'langgraph', 'llamaindex', 'xstate']) {
    const all = ['W1', 'W1i', 'W2', 'W3', 'W4']
      .map((id) => ratio(id, peer, 'millrace'))
      .filter((each) => each !== undefined);
    const [least, most] = [Math.min(...all), Math.max(...all)];
    add(`${peer} >= 20x slower, W1 to W4`, least, atLeast(20), `${times(least)} to ${times(most)}`);
  }

  add('one-step run, `process` <= 3x `memoryStore`', ratio('one-step', 'process', 'memoryStore'), atMost(3));
  add(
    'one-step run, `disk`, 64 at once <= 5x `memoryStore`',
    ratio('one-step', 'disk x64', 'memoryStore x64'),
    atMost(5),
  );
  const syncsOfRun = value('one-step', 'disk x64', 'syncs/run');
  add('the same <= 0.1 syncs a run', syncsOfRun, atMost(0.1), number(syncsOfRun));
  const cpu = (variant) => value('W5', variant, 'cpuUs');
  const process = cpu('millrace process');
  add(
    'W5 `process`, files of ended runs included <= 12x the append floor',
    process / cpu('append'),
    atMost(12),
  );
  for (const peer of ['mastra LibSQL', 'langgraph Sqlite'])
    add(`W5 \`process\` >= 80x faster than ${peer}, by CPU`, cpu(peer) / process, atLeast(80));
  const sixteen = value('W5', 'millrace disk x16');
  const syncs = value('W5', 'millrace disk x16', 'syncs/step');
  add('W5 `disk`, 16 runs at once <= 0.1 syncs a step', syncs, atMost(0.1), number(syncs));
  add(
    'W5 `disk`, 16 runs at once >= 8x faster than dbos',
    value('W5', 'dbos PostgreSQL') / sixteen,
    atLeast(8),
  );
  add('kept events <= 1.15x the CPU of a run without', ratio('events', 'journaled', 'none'), atMost(1.15));
  const kept = value('events', 'journaled', 'bytes/step') / value('events', 'none', 'bytes/step');
  add('kept events <= 1.6x the bytes of a run without', kept, atMost(1.6));
  for (const [what, column] of [
    ['journal', 'bytes/step'],
    ['file', 'file bytes/step'],
  ]) {
    const written = value('W5-50KB', 'millrace process', column);
    const text = `${times(written / 1_024)} (${number(written)} bytes)`;
    add(`W5, 50 KB of state: ${what} <= 2x what changed`, written / 1_024, atMost(2), text);
  }
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
  for (const [id, title, column] of [
    ['alive', 'bytes a step of one live run', 'bytes/step'],
    ['answers', 'an answer to one run'],
    ['rules', 'a run that ends, with rules over agents'],
  ]) {
    const growth = spread(SIZES.map((size) => value(id, String(size), column)));
    add(`${title}: worst <= 1.5x best, 100 to 100,000`, growth, atMost(1.5));
  }
  const perRecord = value('recovery', 'process');
  add('recovery <= 10 us a record', perRecord, atMost(10), `${number(perRecord)} us`);
  const stallMs = value('recovery', 'process', 'longest stall ms');
  add('recovery: no stall above 50 ms', stallMs, atMost(50), `${number(stallMs)} ms`);
  add('recovery: memory <= 4x the journal', value('recovery', 'process', 'RSS / journal'), atMost(4));
  for (const name of ['partial results of one step', 'items through runEach']) {
    const bytes = value('memory', name, 'bytes/1,000');
    add(`10^6 ${name}: < 1 KiB of heap per 1,000`, bytes, atMost(1_024), `${number(bytes)} bytes`);
  }
  for (const name of ['for a function', 'for a sleep']) {
    const bytes = value('heap', name, 'bytes a run');
    add(`a run that waits ${name}: <= 6 KB of heap`, bytes, atMost(6_144), `${number(bytes)} bytes`);
  }
  const taps = value('W10', 'logTo + measure') - value('W10', 'no taps');
  add('`logTo` and `measure` together <= 6 us an event', taps, atMost(6), `${number(taps)} us`);
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
    "require('millrace') <= 1.15x rxjs, io-ts and immer",
    ratio('startup', 'millrace: import', 'rxjs, io-ts and immer'),
    atMost(1.15),
  );
  const helpMs = value('startup', 'millrace --help', 'wallUs') / 1_000;
  add('millrace --help < 150 ms', helpMs, atMost(150), `${number(helpMs)} ms`);
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
