import { lastValueFrom } from 'rxjs';
import stringWidth from 'string-width';

import type { Wire } from '../../lib/definition/wire';
import type { RunState } from '../../lib/model/state';
import { idleState } from '../../lib/model/state';
import { runSummary } from '../../lib/report/runSummary';
import { agent } from '../../operators/agents/agent';
import { workflow } from '../../operators/agents/workflow';
import { run } from '../../operators/runs/run';
import { everything } from '../support/everything';

const load = agent('load', (text: string) => text);
const normalize = agent('정규화', (text: string) => {
  if (text === '') throw new Error('nothing to\nnormalize');
  return text.toLowerCase();
});
const analyze = agent('analyze', (text: string) => text.length);
const processing = workflow('텍스트 처리', (text: Wire<string>, step) =>
  step('analyze', analyze, step('정규화', normalize, step('불러오기', load, text))),
);

async function statesOf(input: string): Promise<RunState[]> {
  return (await everything(run(processing, input))).map(({ state }) => state);
}

const withoutNumbers = (text: string): string =>
  text.replace(/\d+(\.\d+)? s/g, '# s').replace(/run \S+/g, 'run #');

describe('S3 runSummary()', () => {
  it('is right before any run', async () => {
    const [first] = await statesOf('A');
    expect(runSummary(idleState('r1', '텍스트 처리', first!.plan))).toBe(
      [
        '텍스트 처리: IDLE  run r1',
        '  ·  불러오기  PENDING',
        '  ·  정규화    PENDING',
        '  ·  analyze   PENDING',
      ].join('\n'),
    );
  });

  it('is right after success', async () => {
    const state = (await statesOf('A')).at(-1)!;
    expect(withoutNumbers(runSummary(state))).toBe(
      [
        '텍스트 처리: COMPLETED  run #  # s',
        '  ✔  불러오기  COMPLETED  # s',
        '  ✔  정규화    COMPLETED  # s',
        '  ✔  analyze   COMPLETED  # s',
      ].join('\n'),
    );
  });

  it('is right after a failure', async () => {
    const state = (await statesOf('')).at(-1)!;
    expect(withoutNumbers(runSummary(state)).replace(/ +/g, ' ')).toBe(
      [
        '텍스트 처리: FAILED run # # s failed at 정규화: nothing to normalize',
        ' ✔ 불러오기 COMPLETED # s',
        ' ✘ 정규화 FAILED # s nothing to normalize',
        ' · analyze PENDING',
      ].join('\n'),
    );
  });

  it('aligns its columns also with Korean names', async () => {
    const lines = runSummary((await statesOf('A')).at(-1)!)
      .split('\n')
      .slice(1);
    const starts = lines.map((line) => stringWidth(line.slice(0, line.indexOf('COMPLETED'))));
    expect(new Set(starts).size).toBe(1);
  });

  it('is one line for an agent without steps that has not begun', async () => {
    expect(runSummary(idleState('r1', 'empty', []))).toBe('empty: IDLE  run r1');
    await expect(lastValueFrom(run(load, 'x'))).resolves.toMatchObject({ event: { type: 'run.completed' } });
  });
});
