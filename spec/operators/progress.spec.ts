import { concat, from, merge, NEVER, Subject } from 'rxjs';
import stringWidth from 'string-width';

import type { RunFact, Transition } from '../../lib/model/event';
import type { Screen } from '../../lib/report/screen';
import { progress } from '../../operators/taps/progress';
import { attempt, started, transitionsOf } from '../support/events';
import { Terminal } from '../support/terminal';

const error = { name: 'Error', message: 'ETIMEDOUT', path: 'count', retryable: true };
const plan = (...paths: readonly string[]) =>
  paths.map((path, i) => ({
    path,
    kind: 'function' as const,
    agent: path,
    sources: i === 0 ? ['input'] : [paths[i - 1]!],
  }));
const begun: RunFact = {
  ...started,
  type: 'run.started',
  name: '텍스트_처리',
  input: null,
  plan: plan('불러오기', 'count', '분석'),
};

function fakeScreen(isTTY: boolean): Screen & { readonly text: () => string } {
  const chunks: string[] = [];
  return { isTTY, columns: 80, rows: 24, write: (text) => chunks.push(text), text: () => chunks.join('') };
}

function show(screen: Screen, facts: readonly RunFact[]): void {
  from(transitionsOf('r1', facts))
    .pipe(progress(screen, { color: false }))
    .subscribe();
}

describe('progress() line by line', () => {
  it('writes one line a change, with run and step, and how to go on', () => {
    const screen = fakeScreen(false);
    show(screen, [
      begun,
      { type: 'step.started', ...attempt('불러오기') },
      { type: 'step.emitted', ...attempt('불러오기'), index: 0, value: 1 },
      { type: 'step.completed', ...attempt('불러오기'), output: 1, duration: 0.12 },
      { type: 'step.started', ...attempt('count') },
      { type: 'step.retrying', ...attempt('count'), error, delayMs: 400 },
      { type: 'step.started', ...attempt('count'), attempt: 2 },
      { type: 'step.failed', ...attempt('count'), attempt: 2, error, duration: 75 },
      { type: 'run.failed', error, duration: 75.3 },
    ]);
    expect(screen.text().split('\n')).toEqual([
      '텍스트_처리 r1  started',
      '텍스트_처리 r1  불러오기  started',
      '텍스트_처리 r1  불러오기  completed in 120 ms',
      '텍스트_처리 r1  count  started',
      '텍스트_처리 r1  count  attempt 1 failed, next in 400 ms: ETIMEDOUT',
      '텍스트_처리 r1  count  started, attempt 2',
      '텍스트_처리 r1  count  failed after 1 min 15 s: ETIMEDOUT',
      '텍스트_처리 r1  failed after 1 min 15 s: ETIMEDOUT',
      'To go on from count, where a store keeps the run: run it again with runId "r1" and that store, or type npx millrace resume r1 --agents <file>; what is done is not called again.',
      '',
    ]);
  });

  it.each([
    ['CI', 'true'],
    ['TERM', 'dumb'],
  ])('is what a terminal gets when %s=%s', (name, value) => {
    const { CI: ci, TERM: term } = process.env;
    process.env[name] = value;
    const screen = fakeScreen(true);
    show(screen, [begun]);
    expect(screen.text()).toBe('텍스트_처리 r1  started\n');
    Object.assign(process.env, { TERM: term ?? '' });
    if (ci === undefined) delete process.env['CI'];
    else process.env['CI'] = ci;
  });
});

describe('progress() into a pipe or a file', () => {
  it('writes one whole line an event, whatever names and messages hold, and nothing that moves a cursor', () => {
    const nasty = 'x\u001b[2J\r\n\u009b1A\b\u2028y';
    const facts: readonly RunFact[] = [
      { ...begun, name: nasty, plan: plan(nasty) },
      { type: 'step.started', ...attempt(nasty) },
      { type: 'step.retrying', ...attempt(nasty), error: { ...error, message: nasty }, delayMs: 1 },
      { type: 'step.started', ...attempt(nasty), attempt: 2 },
      { type: 'step.completed', ...attempt(nasty), attempt: 2, output: nasty, duration: 1 },
      { type: 'run.completed', output: nasty, duration: 1 },
    ];
    const { CI: ci, TERM: term } = process.env;
    for (const environment of [{}, { CI: 'true' }, { TERM: 'xterm-256color' }]) {
      Object.assign(process.env, environment);
      const written: string[] = [];
      show({ isTTY: false, columns: 20, rows: 4, write: (text) => written.push(text) }, facts);

      expect(written).toHaveLength(facts.length);
      // eslint-disable-next-line no-control-regex -- that is what may not stand there
      for (const line of written) expect(line).toMatch(/^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]+\n$/);
    }
    for (const [name, value] of Object.entries({ CI: ci, TERM: term }))
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
  });
});

describe('progress() line by line, left early', () => {
  it('tells which runs were stopped and how to go on, as the picture does', () => {
    const screen = fakeScreen(false);
    concat(from(transitionsOf('r1', [begun])), NEVER)
      .pipe(progress(screen))
      .subscribe()
      .unsubscribe();
    expect(screen.text().split('\n')).toEqual([
      '텍스트_처리 r1  started',
      '텍스트_처리 r1  stopped',
      'To go on, where a store keeps the run: run it again with runId "r1" and that store, or type npx millrace resume r1 --agents <file>; what is done is not called again.',
      '',
    ]);
  });
});

describe('progress() as a picture', () => {
  let terminal: Terminal;
  let environment: NodeJS.ProcessEnv;
  beforeEach(() => {
    environment = { ...process.env };
    delete process.env['CI'];
    delete process.env['NO_COLOR'];
    process.env['TERM'] = 'xterm';
    jest.useFakeTimers({ now: 4_000 });
    terminal = new Terminal(80, 24);
  });
  afterEach(() => {
    jest.useRealTimers();
    process.env = environment;
  });

  const facts: readonly RunFact[] = [
    begun,
    { type: 'step.started', ...attempt('불러오기') },
    { type: 'step.completed', ...attempt('불러오기'), output: 1, duration: 1 },
    { type: 'step.started', ...attempt('count') },
    { type: 'step.retrying', ...attempt('count'), error, delayMs: 400 },
    { type: 'step.started', ...attempt('count'), attempt: 2 },
  ];
  const open = (runId: string, ...some: readonly RunFact[]) =>
    concat(from(transitionsOf(runId, some)), NEVER);

  it('shows state, bar, duration, attempts and what a step waits for', () => {
    open('r1', ...facts)
      .pipe(progress(terminal, { color: false }))
      .subscribe();
    jest.setSystemTime(8_000);
    jest.advanceTimersByTime(100);
    expect(terminal.lines()[0]).toBe('텍스트_처리  run r1  7.1 s  1/3 done, 1 running, 1 waiting');
    expect(terminal.lines()[1]).toMatch(/^ ✔ 불러오기 +█+ +1\.0 s$/);
    expect(terminal.lines()[2]).toMatch(/ ◐ count +█+ +4\.1 s +attempt 2, last: ETIMEDOUT$/);
    expect(terminal.lines()[3]).toMatch(/ · 분석 +waits for count$/);
    expect(Math.max(...terminal.lines().map((line) => stringWidth(line)))).toBeLessThanOrEqual(80);
  });

  it('keeps notes in their column beside steps that took minutes', () => {
    show(terminal, [
      begun,
      { type: 'step.started', ...attempt('불러오기') },
      { type: 'step.started', ...attempt('불러오기'), attempt: 2 },
      { type: 'step.completed', ...attempt('불러오기'), attempt: 2, output: 1, duration: 2_345 },
      { type: 'step.started', ...attempt('count') },
      { type: 'step.failed', ...attempt('count'), error, duration: 3 },
      { type: 'run.failed', error, duration: 2_350 },
    ]);
    const columnOf = (line: string | undefined, note: string): number =>
      stringWidth(line?.slice(0, line.indexOf(note)) ?? '');
    const [, load, count, analyze] = terminal.lines();
    expect(load).toMatch(/ 39 min 05 s attempt 2$/);
    expect(columnOf(count, 'ETIMEDOUT')).toBe(columnOf(load, 'attempt 2'));
    expect(columnOf(analyze, 'waits for')).toBe(columnOf(load, 'attempt 2'));
  });

  it('repaints at most ten times a second, and not in between', () => {
    open('r1', ...facts)
      .pipe(progress(terminal, { color: false }))
      .subscribe();
    jest.advanceTimersByTime(1_000);
    expect(terminal.writes).toBeLessThanOrEqual(10);
    expect(terminal.writes).toBeGreaterThan(5);
  });

  it('leaves no picture behind in the history of tmux when it begins at the top of the screen', () => {
    open('r1', ...facts)
      .pipe(progress(terminal, { color: false }))
      .subscribe();
    jest.advanceTimersByTime(1_000);
    expect(terminal.lines()).toHaveLength(4);
    expect(terminal.history).toEqual([]);
  });

  it('reads no state between repaints', () => {
    const read = jest.fn();
    concat(from(transitionsOf('r1', facts, read)), NEVER)
      .pipe(progress(terminal))
      .subscribe();
    expect(read).not.toHaveBeenCalled();
  });

  it('stays below what others write, and leaves the last picture behind', () => {
    const rest: readonly RunFact[] = [
      { type: 'step.completed', ...attempt('count'), attempt: 2, output: 1, duration: 3 },
      { type: 'step.skipped', path: '분석', agent: '분석', reason: 'when' },
      { type: 'run.completed', output: 1, duration: 7 },
    ];
    const all = transitionsOf('r1', [...facts, ...rest]);
    const subscription = concat(from(all.slice(0, 4)), NEVER)
      .pipe(progress(terminal, { color: false }))
      .subscribe();
    jest.advanceTimersByTime(100);
    terminal.write('hello\n');
    terminal.write('half ');
    jest.advanceTimersByTime(500);
    expect(terminal.lines()).toEqual(['hello', 'half']);
    terminal.write('line\n');
    jest.advanceTimersByTime(100);
    expect(terminal.lines()[1]).toBe('half line');
    expect(terminal.lines()[2]).toContain('텍스트_처리');
    subscription.unsubscribe();

    const other = new Terminal(80, 24);
    from(all)
      .pipe(progress(other, { color: false }))
      .subscribe();
    expect(other.lines()[0]).toBe('텍스트_처리  run r1  8.0 s  completed, 2/3 done, 1 skipped');
    expect(other.lines()[3]).toMatch(/ ↷ 분석 +its condition was false$/);
    expect(other.isCursorVisible).toBe(true);
  });

  it('leaves nothing of the picture behind when the window becomes narrower or wider', () => {
    const subscription = open('r1', ...facts)
      .pipe(progress(terminal, { color: false }))
      .subscribe();
    jest.advanceTimersByTime(100);
    terminal.write('hello\n');
    for (const columns of [40, 17, 120, 33, 9, 80]) {
      jest.advanceTimersByTime(200);
      terminal.resize(columns);
      terminal.write(`now ${columns}\n`);
      jest.advanceTimersByTime(200);
      const lines = terminal.lines();
      const said = lines.findLastIndex((line) => line.startsWith('now '));
      expect(lines.slice(0, said + 1).every((line) => /^(hello|now \d+)$/.test(line))).toBe(true);
      expect(lines.slice(said + 1).filter((line) => line.startsWith('텍'))).toHaveLength(1);
      expect(lines.slice(said + 1).every((line) => stringWidth(line) <= columns)).toBe(true);
    }
    subscription.unsubscribe();
  });

  it('tells a failure and how to go on, and gives the screen back', () => {
    const write = terminal.write;
    show(terminal, [
      ...facts,
      { type: 'step.failed', ...attempt('count'), error, duration: 3 },
      { type: 'run.failed', error, duration: 4 },
    ]);
    expect(terminal.lines()[2]).toMatch(/ ✘ count +█+ +3\.0 s +attempt 2: ETIMEDOUT$/);
    expect(terminal.lines().join('')).toContain(
      'To go on from count, where a store keeps the run: run it again',
    );
    expect(terminal.write).toBe(write);
    expect(jest.getTimerCount()).toBe(0);
    expect(terminal.isCursorVisible).toBe(true);
  });

  it('says that it was stopped when everybody leaves', () => {
    open('r1', ...facts)
      .pipe(progress(terminal, { color: false }))
      .subscribe()
      .unsubscribe();
    expect(terminal.lines().join('\n')).toContain(
      'Stopped. To go on, where a store keeps the run: run it again',
    );
    expect(jest.getTimerCount()).toBe(0);
  });

  it('never leaves the cursor hidden between two writes', () => {
    open('r1', ...facts)
      .pipe(progress(terminal))
      .subscribe();
    for (let i = 0; i < 5; i += 1) {
      jest.advanceTimersByTime(100);
      expect(terminal.isCursorVisible).toBe(true);
    }
  });

  it('draws many runs below each other, from one tap or several, and one line each when there are too many', () => {
    merge(open('r1', ...facts), open('r2', ...facts))
      .pipe(progress(terminal, { color: false }))
      .subscribe();
    open('r3', ...facts)
      .pipe(progress(terminal, { color: false }))
      .subscribe();
    jest.advanceTimersByTime(100);
    expect(terminal.lines().filter((line) => line.includes('run r'))).toHaveLength(3);
    expect(terminal.lines()).toHaveLength(12);

    const many = new Terminal(80, 24);
    merge(...Array.from({ length: 20 }, (_, i) => open(`r${i}`, ...facts)))
      .pipe(progress(many, { color: false }))
      .subscribe();
    jest.advanceTimersByTime(100);
    expect(many.lines()).toHaveLength(20);
  });

  it('repaints ten times a second while 3,000 runs begin and end beside each other', () => {
    const transitions = new Subject<Transition>();
    transitions.pipe(progress(terminal, { color: false })).subscribe();
    const whole = [...facts, { type: 'run.completed', output: 1, duration: 1 } as const];
    for (const transition of transitionsOf('long', facts)) transitions.next(transition);
    for (let n = 0; n < 3_000; n += 1) {
      for (const transition of transitionsOf(`r${n}`, whole)) transitions.next(transition);
      jest.advanceTimersByTime(1);
    }

    expect(terminal.writes).toBeGreaterThan(20);
    expect(terminal.writes).toBeLessThanOrEqual(31);
    expect(terminal.lines().some((line) => line.includes('run long'))).toBe(true);
  });

  it('fits the window: what needs attention stays, the rest is counted', () => {
    const small = new Terminal(40, 10);
    const paths = Array.from({ length: 100 }, (_, i) => `단계-${i}-이름이-아주-긴-단계`);
    const events: RunFact[] = [
      { ...started, type: 'run.started', name: 'w', input: null, plan: plan(...paths) },
      ...paths.slice(0, 50).flatMap((path): RunFact[] => [
        { type: 'step.started', ...attempt(path) },
        { type: 'step.completed', ...attempt(path), output: 1, duration: 1 },
      ]),
      { type: 'step.started', ...attempt(paths[50]!) },
    ];
    open('r1', ...events)
      .pipe(progress(small, { color: false }))
      .subscribe();
    jest.advanceTimersByTime(100);
    expect(small.lines().length).toBeLessThan(10);
    expect(Math.max(...small.lines().map((line) => stringWidth(line)))).toBeLessThanOrEqual(40);
    expect(small.lines().join('\n')).toContain('◐ 단계-50');
    expect(small.lines().at(-1)).toMatch(/… \d+\/\d+ done.* not shown|… .*…$/);
  });

  it('has colours on a terminal, unless NO_COLOR is set', () => {
    const coloured = new Terminal(80, 24);
    open('r1', ...facts)
      .pipe(progress(coloured))
      .subscribe();
    jest.advanceTimersByTime(100);
    expect(coloured.hadColor).toBe(true);

    process.env['NO_COLOR'] = '1';
    const plain = new Terminal(80, 24);
    open('r1', ...facts)
      .pipe(progress(plain))
      .subscribe();
    jest.advanceTimersByTime(100);
    expect(plain.hadColor).toBe(false);
  });

  it('shows no control characters of names and messages', () => {
    const nasty = 'x\u001b[2J\r\ny';
    const events: readonly RunFact[] = [
      { ...started, type: 'run.started', name: nasty, input: null, plan: [] },
      { type: 'step.started', ...attempt('a') },
      { type: 'step.failed', ...attempt('a'), error: { ...error, message: nasty }, duration: 1 },
      { type: 'run.failed', error: { ...error, message: nasty }, duration: 1 },
    ];
    show(terminal, events);
    const lines = fakeScreen(false);
    show(lines, events);
    expect(terminal.lines()[0]).toMatch(/^x \[2J y {2}run r1/);
    expect(lines.text()).not.toContain('\u001b');
    expect(lines.text()).not.toContain('\r');
  });
});
