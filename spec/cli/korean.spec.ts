import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { commandSpecs } from '../../cli/commandSpecs';
import { programOf } from '../../cli/program';
import { wordsOf } from '../../cli/view/words';
import { begin, millrace, project } from './support/typed';

/** All names, values and errors of the user are Korean here: what is not, the command line says. */
const FLOWS = `
import { agent, approval, each, workflow } from 'millrace';
import { t } from 'millrace/fp';
const load = agent('열기', (pages) => Array.from({ length: pages }, (_, page) => page));
const read = agent('읽기', (page) => {
  if (page === 2) throw new Error('종이가 걸렸습니다');
  return page;
}, { retry: { count: 2, delayMs: 10 } });
const write = agent('쓰기', (pages) => pages.length + '쪽', { critical: true });
export const book = workflow('책', (input, step) => {
  const pages = step('쪽', each('쪽', read, { concurrency: 1 }), step('열기', load, input));
  return step('쓰기', write, pages);
});
const sign = approval('서명', t.type({ ok: t.boolean }));
export const contract = workflow('계약', (input, step) => {
  const signed = step('서명', sign, step('초안', agent('초안', (text) => text), input));
  return step('보관', agent('보관', () => '끝'), signed, { when: ({ ok }) => ok });
});
export const slow = agent('느림', () => new Promise((resolve) => setTimeout(resolve, 60000)));
`;

/** The same with one step more. */
const CHANGED = FLOWS.replace("step('쓰기', write, pages)", "step('새로', agent('새로', (it) => it), pages)");

const LATER = `
import { lowdbStore, submit } from 'millrace';
import { contract } from './flows.mjs';
const store = lowdbStore('./state');
await submit(contract, '집', { store, runId: '9', priority: 5, delayMs: 6000000 });
await store.close();
`;

/** What stays as it is in every language: it is typed, stands in JSON, or is the name of something. */
const NAMES = [
  /\bmillrace .*$/gm, // What to type.
  /^ *at .*$/gm, // Where an error was thrown.
  /^[~+-] .*$/gm, // What differs in the state of a run.
  /\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b|…\S+/g, // Ids.
  /https?:\S+|\S*\/\S+|\S+\.(?:gz|html|json|mjs)\b/g, // Addresses, paths and files.
  /--?[a-z][\w-]*|<[^>]*>|\[[^\]]*\]|@\w+/g, // Options, arguments.
  /\b(?:QUEUED|IDLE|PENDING|RUNNING|SUSPENDED|COMPLETED|FAILED|SKIPPED|CANCELLED)\b/g,
  /\b(?:run|step)\.[a-z]+\b/g, // Types of events.
  /^\S+ +(?:node|files|owner|size|agents|run|fix) /gm, // Checks of the doctor.
  /"[^"]*"/g,
  /\b(?:ms|s|min|h|d|B|kB|P\d\d|A|B|Error|JSON|Ctrl-C|SVG|HTML|Mermaid|Prometheus|runId|id|saga|y|N)\b/g,
  /\b(?:true|false|null)\b/g, // Values.
  /\b(?:recordInputs|critical|millrace|serve|v\d+)\b/g,
  /\b(?:runs|history|inbox|queue|locks?)\b/g, // Files of the store, which the doctor measures.
];

function helpOf(command: string): string {
  const program = programOf('ko', '0', () => undefined, { out: () => undefined });
  const found = program.commands.find((each) => each.name() === command);
  return (found ?? program).helpInformation();
}

function englishIn(text: string): readonly string[] {
  const left = NAMES.reduce((rest, name) => rest.replaceAll(name, ' '), text);
  return [...new Set(left.match(/[A-Za-z]{2,}/g) ?? [])];
}

describe('the command line in Korean', () => {
  const { folder: cwd, remove } = project();
  const env = { LANG: 'ko_KR.UTF-8' };
  const typed = (args: readonly string[]): string => {
    const { stdout, stderr } = millrace(args, { cwd, env });
    return `${stderr}${stdout}`;
  };

  beforeAll(async () => {
    writeFileSync(join(cwd, 'flows.mjs'), FLOWS);
    writeFileSync(join(cwd, 'later.mjs'), LATER);
    writeFileSync(join(cwd, 'millrace.config.json'), '{ "agents": ["./flows.mjs"] }');
    await begin([], { cwd, program: join(cwd, 'later.mjs') }).ended;
    const killed = begin(['run', '느림', '--id', '7'], { cwd, env });
    await killed.says('7');
    killed.child.kill('SIGKILL');
    await killed.ended;
  });
  afterAll(remove);

  it.each([
    ['run 책 3 --id 1', '실패'],
    ['run 계약 "집" --id 2', '답을 기다림'],
    ['run 책 2 --id 3', '완료'],
    ['list', '답을 기다림'],
    ['list --counts', '실패 1'],
    ['list --status cancelled', '없습니다'],
    ['show 1', '완료 3, 실패 2, 시작 전 1'],
    ['show 1 --failed', '실패 2'],
    ['show 1 --step 쪽[2]/읽기', '재시도'],
    ['show 2', '답하기'],
    ['show 2 --step 서명', '질문'],
    ['show 3', '완료 5'],
    ['show 3 --full --tree', '출력'],
    ['show 7', '이어 가는 프로세스가 없습니다'],
    ['show 9', '우선순위 5'],
    ['events 1', '3번째 시도'],
    ['watch 1', '실패'],
    ['logs 1', ''],
    ['diff 1 2', '시작 전'],
    ['diff 1 1', '차이가 없습니다'],
    ['stats', '성공률'],
    ['streams', '스트림이 없습니다'],
    ['fork 1 --dry-run', '재사용'],
    ['fork 1 --id 4', '만듦'],
    ['retry 1', '재사용'],
    ['retry 1 --same-run', '실패'],
    ['answer 2 서명 {"ok":false}', '"서명"에 답했습니다'],
    ['show 2', '이어 갈 때 단계가 받습니다'],
    ['resume 2', '건너뜀'],
    ['cancel 7', '보관했습니다'],
    ['cancel 9', '대기열에서 뺐습니다'],
    ['delete 4 --dry-run', '삭제하게 됩니다'],
    ['prune --keep 0 --dry-run', '삭제하게 됩니다'],
    ['export 3', '3.millrace.gz'],
    ['import 3.millrace.gz --id 6', '가져옴'],
    ['delete 6', '삭제됨'],
    ['doctor', '모든 파일이 온전합니다'],
    ['doctor --fix', '지웠습니다'],
    ['salvage state saved --dry-run', '살리게 됩니다'],
    ['salvage state saved', '살렸습니다'],
  ])('millrace %s', (line, told) => {
    const said = typed(line.split(' '));

    expect(said).toContain(told);
    expect({ said, english: englishIn(said) }).toEqual({ said, english: [] });
  });

  it('millrace doctor says of each run that its definition has changed, or that there is no agent', () => {
    writeFileSync(join(cwd, 'flows.mjs'), CHANGED.replace("workflow('계약'", "workflow('다른 계약'"));
    rmSync(join(cwd, 'saved'), { recursive: true });
    const said = typed(['doctor']);

    expect(said).toContain('정의가 바뀌었습니다');
    expect(englishIn(said)).toEqual([]);
  });

  it.each(['', ...commandSpecs.map(({ name }) => name)])('millrace help %s', (command) => {
    const said = helpOf(command);
    // The commands in the list of all of them, and what may be typed for an option.
    const texts = said
      .replaceAll(/^ {2}[a-z]+ /gm, ' ')
      .replaceAll(/\b(?:MILLRACE_STORE|millrace\.config|run@\d+|refuse|actual|warning|failed|queued)\b/g, ' ')
      .replaceAll(/\b(?:step|events|pages|ocr|bash|zsh|fish)\b/g, ' ');

    expect(said).toContain('사용법');
    expect({ texts, english: englishIn(texts) }).toEqual({ texts, english: [] });
  });
});

describe('the words', () => {
  const samples = [3, 5, 7] as const;
  const said = (word: unknown): string =>
    typeof word === 'function'
      ? String((word as (...args: readonly unknown[]) => unknown)(...samples))
      : JSON.stringify(word);
  const [en, ko] = [wordsOf('en'), wordsOf('ko')];

  // How much of what there is has no word of its own.
  it.each((Object.keys(en) as (keyof typeof en)[]).filter((key) => key !== 'counted'))(
    '%s has a Korean form',
    (key) => {
      expect(said(ko[key])).toMatch(/\p{Script=Hangul}/u);
      expect(said(ko[key])).not.toBe(said(en[key]));
    },
  );
});
