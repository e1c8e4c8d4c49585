import type { Lang } from './words';

type Texts = Readonly<Record<Lang, string>>;

const texts: Readonly<Record<string, Texts>> = {
  millrace: {
    en: 'Looks at the runs in a store, and acts on them. <run> is an id, the end of one, @last or @failed.',
    ko: '저장소의 실행을 살펴보고 다룹니다. <run>은 id, id의 끝부분, @last 또는 @failed입니다.',
  },
  help: { en: 'shows the help of a command', ko: '명령의 도움말' },
  '-h, --help': { en: 'shows this help', ko: '이 도움말' },
  '-V, --version': { en: 'shows the version', ko: '버전' },
  '-s, --store <folder>': {
    en: 'folder of the store; else MILLRACE_STORE, millrace.config.*, ./state',
    ko: '저장소 폴더; 없으면 MILLRACE_STORE, millrace.config.*, ./state',
  },
  '--json': { en: 'JSON alone on standard output, errors too', ko: '표준 출력에 JSON만, 오류도 JSON으로' },
  '--lang <language>': { en: 'language of the texts', ko: '표시 언어' },
  '--agents <file>': {
    en: 'file that exports the agents; may be repeated',
    ko: '에이전트를 내보내는 파일; 여러 번 가능',
  },

  list: { en: 'lists runs, newest first', ko: '실행 목록, 최신순' },
  'list --status <status>': { en: 'only such runs: failed,suspended …', ko: '이 상태만: failed,suspended …' },
  'list --name <agent>': { en: 'only runs of this agent', ko: '이 에이전트의 실행만' },
  'list --since <time>': {
    en: 'only runs begun since: 1h, 2d, 2026-11-28',
    ko: '이후 시작한 실행만: 1h, 2d, 2026-11-28',
  },
  'list --tag <name=value>': { en: 'only runs with this tag', ko: '이 태그가 있는 실행만' },
  'list --failed-step <path>': { en: 'only runs in which this step failed', ko: '이 단계가 실패한 실행만' },
  'list --text <text>': {
    en: 'only runs with this text in id, name, error or tags',
    ko: 'id, 이름, 오류, 태그에 이 글이 있는 실행만',
  },
  'list --resting': { en: 'only runs that nobody carries on', ko: '아무도 이어 가지 않는 실행만' },
  'list --limit <count>': { en: 'at most so many; 20 when left out', ko: '최대 개수; 없으면 20' },
  'list --counts': { en: 'how many runs stand how', ko: '상태별 개수' },

  show: { en: 'shows how a run stands; exits with that', ko: '실행의 상태를 표시하고 그에 맞는 코드로 끝남' },
  'show --step <path>': {
    en: 'one step: attempts, input, output, error',
    ko: '한 단계: 시도, 입력, 출력, 오류',
  },
  'show --failed': { en: 'only steps that failed', ko: '실패한 단계만' },
  'show --at <event>': {
    en: 'as it stood after an event, as numbered by events',
    ko: '이 번호의 이벤트 직후 상태 (번호는 events)',
  },
  'show --output [path]': {
    en: 'the output of the run, or of a step, as JSON',
    ko: '실행 또는 단계의 출력을 JSON으로',
  },
  'show --input': { en: 'the input of the run as JSON', ko: '실행의 입력을 JSON으로' },
  'show --tree': { en: 'all steps, nothing folded', ko: '모든 단계' },
  'show --mermaid': {
    en: 'a Mermaid flowchart, coloured by the run',
    ko: '실행 상태로 색칠한 Mermaid 흐름도',
  },
  'show --full': { en: 'values whole', ko: '값을 자르지 않음' },

  events: { en: 'tells what happened in a run, one event a line', ko: '실행에서 일어난 일, 한 줄에 하나' },
  'events --type <types>': {
    en: 'only these: step.failed, or step for all of them',
    ko: '이 종류만: step.failed, step이면 모두',
  },
  'events --path <glob>': { en: 'only these steps: pages[*]/ocr', ko: '이 단계만: pages[*]/ocr' },
  'events --since <event>': { en: 'only those after this number', ko: '이 번호 다음부터' },
  'events --follow': { en: 'goes on until the run rests', ko: '실행이 멈출 때까지 계속' },

  logs: { en: 'tells what the steps of a run have logged', ko: '단계가 남긴 로그' },
  'logs --level <level>': { en: 'this level and above: warning', ko: '이 수준 이상: warning' },
  'logs --path <glob>': { en: 'only these steps: pages[*]/ocr', ko: '이 단계만: pages[*]/ocr' },
  'logs --since <event>': { en: 'only those after this event', ko: '이 이벤트 다음부터' },
  'logs --follow': { en: 'goes on until the run rests', ko: '실행이 멈출 때까지 계속' },
};

/** What the help says of a command (`list`) or of an option of one (`list --limit <count>`). */
export function optionText(of: string, lang: Lang): string {
  const text = texts[of];
  if (text === undefined) throw new Error(`No help for "${of}"`);
  return text[lang];
}

/** The titles of the parts of a help page. */
export const helpTitles: Readonly<Record<Lang, Readonly<Record<string, string>>>> = {
  en: {},
  ko: {
    'Usage:': '사용법:',
    'Arguments:': '인수:',
    'Options:': '옵션:',
    'Global Options:': '공통 옵션:',
    'Commands:': '명령:',
  },
};
