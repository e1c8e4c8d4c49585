import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { lowdbStore } from '../../index';
import { until } from '../support/until';
import { begin, millrace, millraceJson, project } from './support/typed';

/** The second trip is refused for good unless MENDED is set; pages are read while a file named "go" is missing. */
const FLOWS = `
import { existsSync } from 'node:fs';
import { agent, approval, chain, each, saga, workflow } from 'millrace';
import { tool, toolLoop } from 'millrace/ai';
import { fakeModel } from 'millrace/testing';
import { t } from 'millrace/fp';
export const post = chain('post', agent('draft', (text) => text), approval('ok', t.boolean));
export const note = chain('note', approval('ok', t.type({ text: t.string, ok: t.boolean })));
export const asks = agent('asks', (_, { step }) => step('ok', approval('ok', t.type({ ok: t.boolean })), 'x'));
const pay = agent('pay', ({ cents }) => 'paid ' + cents, { input: t.type({ cents: t.number }) });
const model = fakeModel([{ toolCalls: [{ tool: 'pay', arguments: { cents: 500 } }] }, { text: 'Paid.' }]);
export const clerk = toolLoop('clerk', {
  model, tools: [tool(pay, { description: 'Pays a bill.', approve: () => true })],
});
const reserve = agent('reserve', (item) => item, {
  compensate: () => { if (process.env.STUCK) throw new Error('the desk is closed'); },
});
const charge = agent('charge', (item) => {
  if (item === 2 && !process.env.MENDED) throw new Error('card refused');
  return item;
});
export const order = saga('order', workflow('work', (input, step) =>
  step('all', each('stock', chain('one', reserve, charge), { concurrency: 1 }), input)));
export const gated = workflow('gated', (input, step) =>
  step('wait', agent('wait', async () => {
    while (!existsSync('go')) await new Promise((resolve) => setTimeout(resolve, 20));
    return 'gone';
  }), input));
`;

const SERVER = `
import { lowdbStore, serve } from 'millrace';
import { gated, post } from './flows.mjs';
const store = lowdbStore('./state');
const serving = serve([post, gated], { store }).subscribe();
while (!(await store.isServed())) await new Promise((resolve) => setTimeout(resolve, 20));
console.log('serving');
process.on('SIGTERM', () => { serving.unsubscribe(); void store.close().then(() => process.exit(0)); });
`;

describe('what the commands say, and what they advise', () => {
  let cwd: string;
  let remove: () => void;
  const typed = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    millrace(args, { cwd, env });
  const json = (args: readonly string[]) => millraceJson(args, { cwd });
  const agents = ['--agents', './flows.mjs'];
  const waitsAt = async () => {
    const [run] = await lowdbStore(join(cwd, 'state')).listRuns({ limit: 1 });
    return run?.waiting.map(({ path }) => path);
  };

  beforeEach(() => {
    ({ folder: cwd, remove } = project());
    writeFileSync(join(cwd, 'flows.mjs'), FLOWS);
  });
  const onTestEnd: (() => void)[] = [];
  afterEach(() => {
    for (const end of onTestEnd.splice(0)) end();
    remove();
  });

  it('of a run whose id begins with a hyphen is typed as it is shown', () => {
    typed(['run', 'post', '"x"', '--id=-r1', ...agents]);

    expect(typed(['show', '--', '-r1']).stdout).toContain("To answer:  millrace answer -- -r1 ok '<json>'");
    expect(typed(['show', '--step', 'no', '--', '-r1']).stderr).toContain(
      'millrace show --tree -- -r1 names',
    );
    expect(typed(['answer', '--', '-r1', 'ok', 'true']).stdout).toContain(
      'millrace resume --agents <file> -- -r1',
    );
    expect(typed(['resume', ...agents, '--', '-r1'])).toMatchObject({ exit: 0, stdout: 'true\n' });
  });

  describe('an answer', () => {
    it('is not approved where nobody here knows its form: neither with no agents nor with those of others', () => {
      typed(['run', 'post', '"x"', '--id', 'p', ...agents]);
      writeFileSync(join(cwd, 'other.mjs'), `export { gated } from './flows.mjs';`);

      for (const option of ['--approve', '--reject']) {
        const { stdout, stderr, exit } = typed(['answer', '@last', option]);
        expect({ stdout, exit }).toEqual({ stdout: '', exit: 64 });
        expect(stderr).toContain('Cannot tell how step "ok" of run "p" is approved or rejected');
        expect(stderr).toContain("or the answer itself: millrace answer p ok '<json>'");
      }
      expect(json(['answer', 'p', '--approve', '--agents', './other.mjs'])).toMatchObject({
        exit: 64,
        json: { error: { code: 'USAGE', message: expect.stringContaining('none named "post"') } },
      });
      expect(typed(['resume', 'p', ...agents]).exit).toBe(4);
      expect(typed(['answer', 'p', '--approve', ...agents]).stdout).toContain('✔ answered ok; nobody');
      expect(typed(['resume', 'p', ...agents])).toMatchObject({ exit: 0, stdout: 'true\n' });
    });

    it('is approved by the agents of the configuration, also where the store is named', () => {
      typed(['run', 'post', '"x"', '--id', 'p', ...agents]);
      writeFileSync(join(cwd, 'millrace.config.json'), JSON.stringify({ agents: ['./flows.mjs'] }));

      expect(typed(['answer', 'p', '--reject', '--store', './state']).exit).toBe(0);
      expect(typed(['resume', 'p'])).toMatchObject({ exit: 0, stdout: 'false\n' });
    });

    it('is asked for with the question, and with its shape where the configuration names the agents', () => {
      typed(['run', 'post', '{"message":"Is this\\nright?","more":1}', '--id', 'p', ...agents]);
      typed(['run', 'note', `"${'long '.repeat(40)}"`, '--id', 'n', ...agents]);
      typed(['run', 'clerk', '"pay"', '--id', 'c', ...agents]);

      const { stdout } = typed(['show', 'p']);
      expect(stdout).toMatch(/ok +waits for an answer: Is this right\?\n/);
      expect(stdout).toContain("To answer:  millrace answer p ok '<json>'");
      expect(typed(['show', 'c']).stdout).toMatch(/waits for an answer: \{"id":"call_0",.*\n/);
      expect(typed(['show', 'c']).stdout).toContain(` '{"approved":<boolean>}'`);
      expect(typed(['answer', 'n', 'ok', '--file', 'x', '--approve', ...agents]).stderr).toContain(
        'give it as JSON that looks like {"text":<string>,"ok":<boolean>}, with --file',
      );

      writeFileSync(join(cwd, 'millrace.config.json'), JSON.stringify({ agents: ['./flows.mjs'] }));
      expect(typed(['show', 'p']).stdout).toContain("millrace answer p ok '<boolean>'");
      const note = typed(['show', 'n', '--lang', 'ko']);
      expect(note.stdout).toMatch(/답을 기다림: (long )+(l|lo|lon|long)?…\n/);
      expect(note.stdout).toContain(`millrace answer n ok '{"text":<string>,"ok":<boolean>}'`);
      writeFileSync(join(cwd, 'flows.mjs'), 'throw new Error("no database")');
      const unread = typed(['show', 'p']);
      expect(unread.stderr).toMatch(/^! Cannot load .*no database\n$/);
      expect(unread).toMatchObject({ exit: 4, stdout: expect.stringContaining("answer p ok '<json>'") });
    });

    it('is not approved where it is more than a yes or no', () => {
      typed(['run', 'note', '"x"', '--id', 'n', ...agents]);

      expect(json(['answer', 'n', '--approve', ...agents])).toMatchObject({
        exit: 64,
        json: { error: { code: 'ANSWER_MISFIT' } },
      });
    });

    it.each([[agents], [[]]])(
      'to a call of a tool has the form of such approvals, with %j',
      async (known) => {
        typed(['run', 'clerk', '"pay"', '--id', 'c', ...agents]);
        expect(await waitsAt()).toEqual(['round[0]/tools["call_0"]/tool/pay/approve']);

        expect(json(['answer', 'c', '--approve', ...known])).toMatchObject({ exit: 0 });

        const { stdout, exit } = typed(['resume', 'c', ...agents]);
        expect(exit).toBe(0);
        expect(stdout).toContain('"paid 500"');
      },
    );

    it('that nobody could check says so, and whoever drops it says that', () => {
      typed(['run', 'post', '"x"', '--id', 'p', ...agents]);

      const { stdout, exit } = typed(['answer', 'p', '{"ok":true}']);
      expect({ stdout, exit }).toEqual({
        stdout: [
          '✔ answered ok, not checked; nobody carries the run on',
          '! no agents are known here, so nothing checks the answer: one that does not fit is dropped, and the step goes on waiting',
          'To check:  name the agents, with --agents <file> or `agents` in millrace.config',
          'To go on:  millrace resume p --agents <file>',
          '',
        ].join('\n'),
        exit: 0,
      });
      const resumed = typed(['resume', 'p', ...agents]);
      expect(resumed.exit).toBe(4);
      expect(resumed.stderr).toMatch(/! ok {2}Cannot take the answer: .*; the step goes on waiting\n/);
      expect(json(['answer', 'p', 'true'])).toMatchObject({ exit: 0, json: { isChecked: false } });
      expect(json(['answer', 'p', 'true', ...agents])).toMatchObject({ exit: 0, json: { isChecked: true } });
      expect(typed(['resume', 'p', ...agents])).toMatchObject({ exit: 0, stdout: 'true\n' });
    });

    it('to a step that a function asks for cannot be checked either', () => {
      typed(['run', 'asks', '"x"', '--id', 'a', ...agents]);

      expect(typed(['answer', 'a', '--approve', ...agents]).exit).toBe(64);
      const { stdout } = typed(['answer', 'a', '{"ok":true}', ...agents]);
      expect(stdout).toContain('! a function asks for the step as it runs, so nothing checks the answer: ');
      expect(stdout).not.toContain('To check:');
    });

    it('that nobody has taken yet is shown with when it was given, until the run goes on', async () => {
      typed(['run', 'post', '"x"', '--id', 'p', ...agents]);
      const before = Date.now();
      typed(['answer', 'p', '{"ok":true}']);
      typed(['answer', 'p', 'true', ...agents]);

      const { stdout } = typed(['show', 'p']);
      const when = '\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d';
      for (const value of ['{"ok":true}', 'true'])
        expect(stdout).toMatch(
          new RegExp(`\nok was answered at ${when}, which is taken when the run goes on: ${value}\n`),
        );
      expect(stdout).not.toContain('To answer:');
      expect(stdout).toContain('millrace resume p --agents <file>\n');
      expect(typed(['show', 'p', '--step', 'ok']).stdout).toMatch(/\nok was answered at .*: true\n/);
      expect(json(['show', 'p', '--step', 'ok']).json.keptAnswers).toHaveLength(2);
      expect(json(['show', 'p']).json.keptAnswers).toEqual([
        { path: 'ok', value: { ok: true }, at: expect.any(Number) },
        { path: 'ok', value: true, at: expect.any(Number) },
      ]);
      expect(json(['show', 'p']).json.keptAnswers[0].at).toBeGreaterThanOrEqual(before);
      expect(typed(['show', 'p', '--at', '2']).stdout).not.toContain('answered');

      expect(typed(['resume', 'p', ...agents])).toMatchObject({ exit: 0, stdout: 'true\n' });
      expect(typed(['show', 'p']).stdout).not.toContain('answered');
      expect(json(['show', 'p']).json).not.toHaveProperty('keptAnswers');
    });

    it('through an app that serves is refused or marked the same way, and waiting for it says what to look at', async () => {
      writeFileSync(join(cwd, 'server.mjs'), SERVER);
      typed(['run', 'post', '"x"', '--id', 'p', ...agents]);
      const server = begin([], { cwd, program: join(cwd, 'server.mjs') });
      await server.says('serving');
      try {
        expect(typed(['answer', 'p', '--approve']).exit).toBe(64);
        const { stderr, stdout, exit } = typed(['answer', 'p', '{"ok":true}', '--wait', '2s']);
        expect(exit).toBe(6);
        expect(stdout).toContain(
          '✔ answered ok, not checked; kept; whoever serves goes on with it\n! no agents',
        );
        expect(stderr).toContain('millrace logs p --level warning tells whether the answer did not fit');
        const isLogged = () =>
          typed(['logs', 'p', '--level', 'warning']).stdout.includes('Cannot take the answer');
        await until(isLogged, 60_000);
        expect(typed(['answer', 'p', 'true', '--wait', '60s']).exit).toBe(0);
      } finally {
        server.child.kill('SIGTERM');
        await server.ended;
      }
    });

    it('of a run that an app serves is all that it needs; what runs there says since when nothing was heard of it', async () => {
      writeFileSync(join(cwd, 'server.mjs'), SERVER);
      typed(['run', 'post', '"x"', '--id', 'p', ...agents]);
      const server = begin([], { cwd, program: join(cwd, 'server.mjs') });
      await server.says('serving');
      try {
        const waiting = typed(['show', 'p']).stdout;
        expect(waiting).toContain(`process ${server.child.pid} on `);
        expect(waiting).toContain(
          'serves the store and goes on with it by itself, if it has an agent "post"',
        );
        expect(waiting).toContain("To answer:  millrace answer p ok '<json>'");
        expect(waiting).not.toContain('resume');

        const gated = begin(['run', 'gated', '"x"', '--id', 'g', ...agents], { cwd });
        const runs = () => typed(['show', 'g']).stdout.includes('◐ wait');
        await until(runs, 60_000);
        const when = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/;
        expect(typed(['show', 'g']).stdout).toMatch(new RegExp(`◐ wait +no news since ${when.source}`));
        expect(typed(['show', 'g', '--step', 'wait']).stdout).toMatch(
          new RegExp(`\\[1\\] +ran +${when.source}`),
        );
        writeFileSync(join(cwd, 'go'), '');
        expect(await gated.ended).toBe(0);
      } finally {
        server.child.kill('SIGTERM');
        await server.ended;
      }
    });

    it('that nobody hears says how to go on when the time is over', () => {
      typed(['run', 'post', '"x"', '--id', 'p', ...agents]);

      const { stderr, exit } = typed(['answer', 'p', 'true', '--wait', '300ms']);
      expect(exit).toBe(6);
      expect(stderr).toContain('nobody carries it on: millrace resume p --agents <file>');
    });
  });

  it.each([
    ['npm/11.1.0 node/v24.1.0 linux x64', 'npx millrace'],
    ['pnpm/10.4.0 npm/? node/v24.1.0 linux x64', 'pnpm exec millrace'],
    ['yarn/4.9.1 npm/? node/v24.1.0 linux x64', 'yarn millrace'],
    ['bun/1.2.2 npm/? node/v24.1.0 linux x64', 'bunx millrace'],
    ['other/1', 'millrace'],
  ])('commands to type begin as the one did that %s has begun', (agent, begins) => {
    typed(['run', 'post', '"x"', '--id', 'p', ...agents]);
    const env = { npm_config_user_agent: agent };

    const { stdout } = typed(['show', 'p'], env);
    expect(stdout).toContain(`To answer:  ${begins} answer p ok '<json>'\n`);
    expect(stdout).toContain(`or ${begins} resume p --agents <file>\n`);
    expect(typed(['show', 'nope'], env).stderr).toContain(`\n  ${begins} list names those that are there\n`);
    expect(typed(['import', 'none.gz'], env).stderr).toContain(`\n  ${begins} export <run> makes one\n`);
  });

  describe('a saga that has gone back', () => {
    it('is advised to be done anew, in a new run: to resume it only fails again', () => {
      const { stderr, exit } = typed(['run', 'order', '[1,2]', '--id', 'o', ...agents]);
      expect(exit).toBe(1);
      const said = 'run o has gone back: what its saga had done is undone, and resuming it only fails again';
      expect(stderr).toContain(`! ${said}\nTo do it anew:  millrace retry o --agents ./flows.mjs\n`);

      const { stdout } = typed(['show', 'o']);
      expect(stdout).toContain(said);
      expect(stdout).toMatch(/\n\nTo do it anew: {2}millrace retry o --agents <file>\n$/);
      expect(typed(['resume', 'o', ...agents], { MENDED: '1' }).exit).toBe(1);
      const retried = typed(['retry', 'o', ...agents], { MENDED: '1' });
      expect(retried).toMatchObject({ exit: 0, stdout: '[\n  1,\n  2\n]\n' });
    });

    it('is advised to be resumed too where something could not be undone', () => {
      typed(['run', 'order', '[1,2]', '--id', 'o', ...agents], { STUCK: '1' });

      const { stdout } = typed(['show', 'o']);
      expect(stdout).toContain(
        'run o goes back: resuming it undoes what is left of what its saga had done, and then it fails',
      );
      expect(stdout).toMatch(
        /To undo the rest: {2}.*millrace resume o .*\nTo do it anew: {5}millrace retry o /,
      );
    });

    it('names below `undo` what was undone by its path', () => {
      typed(['run', 'order', '[1,2]', '--id', 'o', ...agents]);
      typed(['run', 'order', '[3,2]', '--id', 'q', ...agents]);

      const { stdout } = typed(['show', 'o', '--tree']);
      expect(stdout).not.toContain('u002f');
      expect(stdout).toMatch(/✔ work\/all\[1\]\/one\/reserve|✔ undo work\/all/);
    });
  });

  describe('a run whose process was killed', () => {
    beforeEach(async () => {
      const carried = begin(['run', 'gated', '"x"', '--id', 'g', ...agents], { cwd });
      await carried.says('wait  started');
      carried.child.kill('SIGKILL');
      await carried.ended;
    });

    it('is said to be left behind, and resume goes on with it', () => {
      const { stdout, exit } = typed(['show', 'g']);
      expect(exit).toBe(5);
      expect(stdout).toMatch(
        /\nnobody carries it on now: process \d+ on \S+ has ended without closing the store\n/,
      );
      expect(stdout).toMatch(/\n\nTo go on: {2}.*millrace resume g --agents <file>\n$/);
      expect(json(['show', 'g']).json.isResting).toBe(true);
      expect(typed(['list']).stdout).toContain('nobody carries it on');

      const watched = typed(['watch', 'g']);
      expect(watched.exit).toBe(5);
      expect(watched.stderr).toContain('nobody carries it on now');
      expect(watched.stderr).toContain('millrace resume g --agents <file>');

      writeFileSync(join(cwd, 'go'), '');
      expect(typed(['resume', 'g', ...agents])).toMatchObject({ exit: 0, stdout: '"gone"\n' });
    });

    it('is not said to be cancelled before somebody goes on with it', () => {
      const { stdout } = typed(['cancel', 'g']);

      expect(stdout).toContain('kept: nobody carries the run on now');
      expect(json(['cancel', 'g']).json).toMatchObject([{ next: 'millrace resume g --agents <file>' }]);
    });
  });

  it('of a run that is carried on, cancel says what it knows, show offers to watch, and an answer is heard', async () => {
    const carried = begin(['run', 'gated', '"x"', '--id', 'g', ...agents], { cwd });
    await carried.says('wait  started');
    onTestEnd.push(() => carried.child.kill());

    expect(typed(['show', 'g']).stdout).toMatch(/\n\nTo watch: {2}millrace watch g\n$/);
    expect(json(['show', 'g']).json).not.toHaveProperty('isResting');
    expect(typed(['show', 'g', '--at', '1']).stdout).not.toContain('To watch');
    expect(typed(['doctor', '--fix'])).toMatchObject({
      exit: 75,
      stdout: expect.not.stringContaining('opened and closed'),
    });
    expect(typed(['cancel', 'g']).stdout).toMatch(/^✔ g {2}(told to stop|cancelled)\n$/);
    expect(await carried.ended).toBe(3);
    expect(typed(['cancel', 'g']).stderr).toContain('millrace show g says how\n');
  });

  it('refusals of another definition or input name what can be typed', () => {
    typed(['run', 'post', '"x"', '--id', 'p', ...agents]);
    writeFileSync(
      join(cwd, 'changed.mjs'),
      `import { agent, chain } from 'millrace';
       export const post = chain('post', agent('draft', (text) => text));`,
    );
    const changed = ['--agents', './changed.mjs'];

    const refused = typed(['resume', 'p', ...changed]);
    expect(refused.exit).toBe(64);
    expect(refused.stderr).not.toContain('onMismatch');
    expect(refused.stderr).toContain('millrace resume p --on-mismatch actual keeps what does not depend');
    expect(typed(['run', 'post', '"y"', '--id', 'p', ...agents]).stderr).toContain(
      '  name another one with --id; millrace resume p goes on with the input that it has\n',
    );
    const taken = typed(['resume', 'p', ...changed, '--on-mismatch', 'actual']);
    expect(taken).toMatchObject({ exit: 0, stdout: '"x"\n' });
    expect(taken.stderr).toContain('! The saved run has another definition');
  });

  it('nothing is made before it is known that all of it can be done', async () => {
    typed(['run', 'order', '[1,2]', '--id', 'o', ...agents]);

    expect(typed(['retry', 'o', ...agents, '--on-mismatch', 'nope']).exit).toBe(64);
    expect(json(['list']).json).toHaveLength(1);
  });

  it('what does not reach whoever serves is refused, not left out', async () => {
    writeFileSync(join(cwd, 'server.mjs'), SERVER);
    typed(['run', 'post', '"x"', '--id', 'p', ...agents]);
    const server = begin([], { cwd, program: join(cwd, 'server.mjs') });
    await server.says('serving');
    try {
      expect(json(['resume', 'p', '--on-mismatch', 'actual'])).toMatchObject({
        exit: 64,
        json: { error: { message: expect.stringContaining('serves the store') } },
      });
      expect(json(['run', 'post', '"y"', '--record-inputs']).exit).toBe(64);
      expect(typed(['run', 'nope', '--id', 'n']).stdout).toContain(
        '✔ n  queued; whoever serves begins it, if that has an agent "nope"\n',
      );
    } finally {
      server.child.kill('SIGTERM');
      await server.ended;
    }
  });
});
