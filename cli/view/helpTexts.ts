import type { Lang } from './words';

type Texts = Readonly<Record<Lang, string>>;

const texts: Readonly<Record<string, Texts>> = {
  millrace: {
    en: 'Looks at the runs in a store, and acts on them. <run> is an id, the end of one, @last (which began last) or @failed (the last that failed).',
    ko: '저장소의 실행을 살펴보고 다룹니다. <run>은 id, id의 끝부분, @last(가장 늦게 시작한 실행) 또는 @failed(가장 늦게 실패한 실행)입니다.',
  },
  help: { en: 'shows the help of a command', ko: '명령의 도움말' },
  '-h, --help': { en: 'shows this help', ko: '이 도움말' },
  '-V, --version': { en: 'shows the version', ko: '버전' },
  '-s, --store <folder>': {
    en: 'folder of the store; else MILLRACE_STORE, millrace.config.*, ./state',
    ko: '저장소 폴더 (없으면 MILLRACE_STORE, millrace.config.*, ./state)',
  },
  '--json': { en: 'JSON alone on standard output, errors too', ko: '표준 출력에 JSON만, 오류도 JSON으로' },
  '--lang <language>': { en: 'language of the texts', ko: '표시 언어' },
  '--agents <file>': {
    en: 'file that exports the agents; may be repeated',
    ko: '에이전트를 내보내는 파일 (여러 번 가능)',
  },

  list: { en: 'lists runs, newest first', ko: '실행 목록, 최신순' },
  'list --status <status>': { en: 'only such runs: failed,queued …', ko: '이 상태만: failed,queued …' },
  'list --name <agent>': { en: 'only runs of this agent', ko: '이 에이전트의 실행만' },
  'list --since <time>': {
    en: 'only runs begun since: 1h, 2d, 2026-11-28',
    ko: '이후 시작한 실행만: 1h, 2d, 2026-11-28',
  },
  'list --tag <name=value>': { en: 'only runs with this tag', ko: '이 태그가 있는 실행만' },
  'list --failed-step <path>': { en: 'only runs in which this step failed', ko: '이 단계가 실패한 실행만' },
  'list --text <text>': {
    en: 'only runs with this text in id, name, error or tags',
    ko: 'id, 이름, 오류, 태그에 이 텍스트가 들어 있는 실행만',
  },
  'list --resting': { en: 'only runs that nobody carries on', ko: '아무도 이어 가지 않는 실행만' },
  'list --limit <count>': { en: 'at most so many; 20 when left out', ko: '최대 개수 (없으면 20)' },
  'list --counts': { en: 'how many runs stand how', ko: '상태별 개수' },

  show: {
    en: 'shows how a run stands; exits with that',
    ko: '실행의 상태를 표시하고, 상태에 맞는 종료 코드를 반환함',
  },
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
  watch: {
    en: 'shows a run while it goes on; without one, every run',
    ko: '실행을 지켜봄 (실행을 지정하지 않으면 모든 실행)',
  },
  'watch --partials': { en: 'partial results too', ko: '부분 결과도' },
  'watch --logs': { en: 'lines of the log too', ko: '로그도' },
  'watch --since <event>': { en: 'only what comes after this event', ko: '이 이벤트 다음부터' },
  diff: {
    en: 'says how two runs differ, or run@3 and run@9',
    ko: '두 실행의 차이, 또는 run@3과 run@9의 차이',
  },
  graph: { en: 'draws a run or an agent as a Mermaid flowchart', ko: '실행이나 에이전트를 Mermaid 흐름도로' },
  'graph --svg': { en: 'as a picture in SVG', ko: 'SVG 그림으로' },
  'graph --agent <name>': {
    en: 'which agent, where no run is named',
    ko: '실행을 지정하지 않을 때 그릴 에이전트',
  },
  stats: { en: 'says how often and how fast agents ran', ko: '에이전트별 실행 횟수와 걸린 시간' },
  'stats --limit <count>': {
    en: 'the newest so many runs; 500 when left out',
    ko: '최신 실행 몇 개 (없으면 500)',
  },
  'stats --prometheus': { en: 'in the text format of Prometheus', ko: 'Prometheus 텍스트 형식으로' },
  streams: {
    en: 'lists streams that remember: offset, lag, rows',
    ko: '기억하는 스트림 목록: 오프셋, 지연, 행',
  },
  answer: { en: 'answers a question that a run waits at', ko: '실행이 기다리는 질문에 답함' },
  'answer --approve': { en: 'yes', ko: '승인' },
  'answer --reject': { en: 'no', ko: '거절' },
  'answer --file <file>': { en: 'JSON from a file; - is standard input', ko: '파일의 JSON (-는 표준 입력)' },
  'answer --wait <time>': {
    en: 'waits until the run rests, and exits with that',
    ko: '실행이 멈출 때까지 기다리고, 상태에 맞는 종료 코드를 반환함',
  },
  cancel: { en: 'cancels runs', ko: '실행을 취소함' },
  'cancel --reason <text>': { en: 'why', ko: '이유' },
  'cancel --yes': { en: 'does not ask', ko: '묻지 않음' },
  resume: { en: 'goes on with runs where they stopped', ko: '멈춘 곳에서 실행을 이어 감' },
  'resume --on-mismatch <how>': {
    en: 'refuse what has changed, or take the actual definition',
    ko: '바뀐 정의: refuse(거부) 또는 actual(지금 것)',
  },
  fork: {
    en: 'makes a new run that reuses what another has done',
    ko: '다른 실행의 결과를 재사용하는 새 실행을 만듦',
  },
  'fork --from <path>': {
    en: 'the step to begin with; what has failed when left out',
    ko: '시작할 단계 (없으면 실패한 단계)',
  },
  'fork --input <json>': { en: 'another input', ko: '다른 입력' },
  'fork --id <id>': { en: 'the id of the new run', ko: '새 실행의 id' },
  'fork --dry-run': { en: 'only says what would run again', ko: '다시 실행될 단계만 알림' },
  'fork --resume': { en: 'goes on with it at once', ko: '바로 이어 감' },
  'fork --on-mismatch <how>': {
    en: 'refuse what has changed, or take the actual definition',
    ko: '바뀐 정의: refuse(거부) 또는 actual(지금 것)',
  },
  retry: { en: 'tries again what failed, in a new run', ko: '실패한 것을 새 실행에서 다시 시도' },
  'retry --same-run': { en: 'in the same run', ko: '같은 실행에서' },
  'retry --on-mismatch <how>': {
    en: 'refuse what has changed, or take the actual definition',
    ko: '바뀐 정의: refuse(거부) 또는 actual(지금 것)',
  },
  run: { en: 'runs an agent', ko: '에이전트를 실행함' },
  'run --id <id>': { en: 'the id of the run', ko: '실행의 id' },
  'run --tag <name=value>': { en: 'what it is found by besides', ko: '찾을 때 쓰는 태그' },
  'run --record-inputs': { en: 'keeps what each step was given', ko: '각 단계의 입력을 기록' },
  'run --watch': {
    en: 'waits for its end where somebody else carries it out',
    ko: '다른 프로세스가 실행할 때 끝까지 지켜봄',
  },
  delete: { en: 'forgets runs', ko: '실행을 삭제함' },
  'delete --snapshots': { en: 'their snapshots too', ko: '스냅샷도' },
  'delete --logs': { en: 'their execution logs too', ko: '실행 로그도' },
  'delete --dry-run': { en: 'only names them', ko: '이름만 알림' },
  'delete --yes': { en: 'does not ask', ko: '묻지 않음' },
  prune: { en: 'forgets runs that ended long ago', ko: '오래전에 끝난 실행을 삭제함' },
  'prune --keep <count>': { en: 'the newest so many stay', ko: '최신 몇 개는 남김' },
  'prune --older-than <time>': {
    en: 'only those that ended so long ago: 30d',
    ko: '이만큼 전에 끝난 것만: 30d',
  },
  'prune --dry-run': { en: 'only names them', ko: '이름만 알림' },
  'prune --yes': { en: 'does not ask', ko: '묻지 않음' },
  export: { en: 'writes a run into one file', ko: '실행을 파일 하나로 저장' },
  'export -o, --output <file>': {
    en: 'the file; <run>.millrace.gz when left out',
    ko: '파일 (없으면 <run>.millrace.gz)',
  },
  'export --no-values': { en: 'without inputs, outputs and other values', ko: '입력, 출력 등의 값 없이' },
  'export --redact': { en: 'without secrets', ko: '비밀 정보 없이' },
  import: { en: 'puts the run of a file into the store', ko: '파일의 실행을 저장소에 넣음' },
  'import --id <id>': { en: 'under another id', ko: '다른 id로' },
  salvage: { en: 'copies what is intact of a damaged store', ko: '손상된 저장소에서 온전한 것을 복사함' },
  'salvage --dry-run': { en: 'only says what would be left out', ko: '제외될 것만 알림' },
  doctor: { en: 'looks for what is wrong with a store', ko: '저장소에 문제가 있는지 살펴봄' },
  'doctor --fix': {
    en: 'removes leftovers and messages that nobody can hear',
    ko: '남은 임시 파일과 받을 실행이 없는 메시지를 지움',
  },
  inspect: { en: 'shows runs in a browser, until Ctrl-C', ko: '브라우저에서 실행을 봄, Ctrl-C로 끝냄' },
  'inspect --port <port>': { en: 'a free one when left out', ko: '없으면 빈 포트' },
  'inspect --host <host>': { en: '127.0.0.1 when left out', ko: '없으면 127.0.0.1' },
  'inspect --token <token>': {
    en: 'what whoever asks must know; a new one when left out',
    ko: '접속에 필요한 토큰 (없으면 새로 만듦)',
  },
  'inspect --read-only': { en: 'refuses what changes something', ko: '바꾸는 요청을 거부함' },
  'inspect --open': { en: 'opens a browser', ko: '브라우저를 엶' },
  'export --html': { en: 'as a page of HTML that opens from a file', ko: '파일로 열리는 HTML 페이지로' },
  completion: { en: 'prints a script for bash, zsh or fish', ko: 'bash, zsh, fish용 자동 완성 스크립트' },
};

/** What the help says of a command (`list`) or of an option of one (`list --limit <count>`). */
export function optionText(of: string, lang: Lang): string {
  // Options that select runs say the same everywhere.
  const text = texts[of] ?? texts[of.replace(/^\w+/, 'list')];
  if (text === undefined) throw new Error(`No help for "${of}"`);
  return text[lang];
}

/** What commander itself says on a help page. */
export const helpTitles: Readonly<Record<Lang, Readonly<Record<string, string>>>> = {
  en: {},
  ko: {
    'Usage:': '사용법:',
    'Arguments:': '인수:',
    'Options:': '옵션:',
    'Global Options:': '공통 옵션:',
    'Commands:': '명령:',
    'choices:': '가능한 값:',
  },
};
