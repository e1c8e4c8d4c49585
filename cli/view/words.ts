/** A language of the command line. */
export type Lang = 'en' | 'ko';

const en = {
  // Of tables.
  run: 'RUN',
  name: 'NAME',
  status: 'STATUS',
  started: 'STARTED',
  took: 'TOOK',
  steps: 'STEPS',
  note: 'NOTE',
  step: 'STEP',
  agent: 'AGENT',
  ended: 'ENDED',
  success: 'SUCCESS',
  average: 'AVG',
  // Of runs.
  noRuns: 'no runs',
  noRunsFit: 'no run fits',
  moreRuns: (shown: number, all: number) => `${shown} of ${all} runs shown; --limit shows more`,
  statuses: {
    QUEUED: 'queued',
    IDLE: 'pending',
    PENDING: 'pending',
    RUNNING: 'running',
    SUSPENDED: 'suspended',
    COMPLETED: 'completed',
    FAILED: 'failed',
    SKIPPED: 'skipped',
    CANCELLED: 'cancelled',
  },
  counted: (count: number, what: string) => `${count} ${what}`,
  runOf: (runId: string) => `run ${runId}`,
  lifeOf: (life: number) => `life ${life}`,
  forkOf: (runId: string, path: string) => `fork of ${runId}${path === '' ? '' : ` from ${path}`}`,
  insideDone: (done: number, all: number) => `${done}/${all} inside done`,
  notShown: (done: number, pending: number) =>
    `… ${[done > 0 ? `${done} done` : '', pending > 0 ? `${pending} pending` : ''].filter((part) => part !== '').join(', ')}, not shown (--tree shows them)`,
  attempt: (count: number) => `attempt ${count}`,
  spans: { waited: 'waited', ran: 'ran', gap: 'gap', asked: 'asked' },
  criticalStep: 'critical',
  cached: 'cached',
  waitsForAnswer: 'waits for an answer',
  asks: (question: string) => `waits for an answer: ${question}`,
  waitsUntil: (moment: string) => `waits until ${moment}`,
  untilMoment: (moment: string) => `until ${moment}`,
  quietSince: (moment: string) => `no news since ${moment}`,
  begins: (moment: string | undefined, priority: number) =>
    `begins ${moment === undefined ? 'when it is its turn' : `at ${moment}`}, by priority ${priority}`,
  isQueued: (runId: string, begins: string) => `${runId} is queued, ${begins}`,
  servedBy: (pid: number, host: string, name: string) =>
    `process ${pid} on ${host} serves the store and begins it, if it has an agent "${name}"`,
  goesOnThere: (pid: number, host: string, name: string) =>
    `process ${pid} on ${host} serves the store and goes on with it by itself, if it has an agent "${name}"`,
  notServedBy: (pid: number, host: string) =>
    `process ${pid} on ${host} has the store and does not serve it: it begins when somebody does`,
  notServed: 'nobody serves the store now: it begins when somebody does',
  damaged: 'cannot be read',
  leftBehind: 'nobody carries it on now: the process that did has ended',
  leftBehindBy: (pid: number, host: string) =>
    `nobody carries it on now: process ${pid} on ${host} has ended without closing the store`,
  isLeft: 'nobody carries it on',
  wentBack: (runId: string) =>
    `run ${runId} has gone back: what its saga had done is undone, and resuming it only fails again`,
  goesBack: (runId: string) =>
    `run ${runId} goes back: resuming it undoes what is left of what its saga had done, and then it fails`,
  goOn: 'To go on:',
  orStartAgain: (command: string) => `start your program again with the same runId, or ${command}`,
  fromHere: 'From here:',
  toUndo: 'To undo the rest:',
  doAnew: 'To do it anew:',
  toAnswer: 'To answer:',
  toWatch: 'To watch:',
  toCancel: 'To cancel:',
  toLook: 'To look:',
  // Of values.
  input: 'input',
  output: 'output',
  error: 'error',
  cause: 'cause',
  request: 'asks',
  wasAnswered: (path: string, moment: string | undefined, value: string) =>
    `${path} was answered${moment === undefined ? '' : ` at ${moment}`}, which is taken when the run goes on: ${value}`,
  reads: 'reads',
  tags: 'tags',
  reason: 'reason',
  partials: (count: number) => `${count} partial results`,
  cut: (characters: number) => `… ${characters} characters in all; --full shows them`,
  notRecorded: 'not recorded (run it with recordInputs)',
  // Of events.
  waitsForRuns: 'waiting for runs; Ctrl-C ends it',
  gone: 'forgotten',
  // Of streams.
  noStreams: 'no streams',
  stream: 'STREAM',
  offset: 'OFFSET',
  lag: 'LAG',
  rows: 'ROWS',
  late: 'LATE',
  latestRecord: 'LATEST RECORD',
  // Of differences.
  same: 'no difference',
  onlyIn: (runId: string) => `only in ${runId}`,
  moreChanges: (count: number) => `… ${count} more; --json shows all`,
  // Of what is done.
  answered: (path: string, isChecked: boolean, became: string) =>
    `answered ${path}${isChecked ? '' : ', not checked'}; ${became}`,
  mayNotFit: (why: string) =>
    `${why}, so nothing checks the answer: one that does not fit is dropped, and the step goes on waiting`,
  toCheck: 'To check:',
  nameAgents: 'name the agents, with --agents <file> or `agents` in millrace.config',
  noAgentsKnown: 'no agents are known here',
  noAgentNamed: (name: string) => `the agents that are known here have none named "${name}"`,
  asksAsItRuns: 'a function asks for the step as it runs',
  answerTaken: 'the step has it; goes on',
  answerHeard: 'kept; whoever serves goes on with it',
  answerOnItsWay: 'kept; whoever carries the run on hears it',
  nobodyServes: 'nobody carries the run on',
  cancelled: 'cancelled',
  toldToStop: 'told to stop',
  takenOut: 'taken out of the queue, it had not begun',
  cancelKept: 'kept: nobody carries the run on now; its next life is stopped at once',
  willCancel: (count: number) => `cancels ${count} ${count === 1 ? 'run' : 'runs'}`,
  willDelete: (count: number) => `deletes ${count} ${count === 1 ? 'run' : 'runs'}`,
  wouldDelete: (count: number) => `would delete ${count} ${count === 1 ? 'run' : 'runs'}`,
  deleted: (count: number) => `${count} ${count === 1 ? 'run' : 'runs'} deleted`,
  confirm: 'Go on? [y/N] ',
  notConfirmed: 'nothing was done',
  again: 'runs again',
  reusedSteps: 'reused',
  critical: 'marked critical: acts outside',
  ofAll: (count: number, all: number) => `${count} of ${all}`,
  forked: 'made',
  forkedBeside: (runId: string) => `made ${runId}; the old run stays as it is`,
  asked: (runId: string) => `asked whoever serves to go on with ${runId}`,
  queued: (name: string) => `queued; whoever serves begins it, if that has an agent "${name}"`,
  known: 'known already; nothing was changed',
  imported: 'put in',
  inspects: (stores: string) => `shows ${stores}; Ctrl-C ends it`,
  // Of the doctor.
  intact: (runs: number) => `${runs} ${runs === 1 ? 'run' : 'runs'}, all files intact`,
  saved: (runs: number) => `${runs} ${runs === 1 ? 'run' : 'runs'} saved`,
  wouldSave: (runs: number) => `would save ${runs} ${runs === 1 ? 'run' : 'runs'}`,
  atByte: (offset: number) => `byte ${offset}`,
  noStoreYet: 'no store has been made here yet',
  nobodyWrites: 'nobody writes to the store',
  hasLeftOpen: (pid: number, host: string) =>
    `process ${pid} on ${host} has ended without closing the store; the next one takes over`,
  writesAndServes: (pid: number, host: string) =>
    `process ${pid} on ${host} writes to the store, and serves its runs`,
  onlyWrites: (pid: number, host: string) =>
    `process ${pid} on ${host} writes to the store, and does not serve its runs`,
  leftoversGone: 'opened and closed: leftovers and messages that nobody can hear are gone',
  notFixed: (pid: number, host: string) =>
    `nothing was done: process ${pid} on ${host} has the store open, and removes leftovers when it opens it`,
  runHasNoAgent: (runId: string, name: string) => `${runId}: no agent "${name}"`,
  runHasChanged: (runId: string, changes: string) => `${runId}: its definition has changed (${changes})`,
  changesOfPlan: { added: 'added', removed: 'removed', changed: 'changed', results: 'results' },
};

/** All texts of the command line. */
export type Words = typeof en;

const ko: Words = {
  run: '실행',
  name: '이름',
  status: '상태',
  started: '시작',
  took: '걸린 시간',
  steps: '단계',
  note: '비고',
  step: '단계',
  agent: '에이전트',
  ended: '끝난 횟수',
  success: '성공률',
  average: '평균',
  noRuns: '실행이 없습니다',
  noRunsFit: '맞는 실행이 없습니다',
  moreRuns: (shown, all) => `실행 ${all}개 중 ${shown}개 표시 (--limit으로 더 볼 수 있습니다)`,
  statuses: {
    QUEUED: '대기열',
    IDLE: '시작 전',
    PENDING: '시작 전',
    RUNNING: '실행 중',
    SUSPENDED: '대기',
    COMPLETED: '완료',
    FAILED: '실패',
    SKIPPED: '건너뜀',
    CANCELLED: '취소됨',
  },
  counted: (count, what) => `${what} ${count}`,
  runOf: (runId) => `실행 ${runId}`,
  lifeOf: (life) => `${life}회차`,
  forkOf: (runId, path) => `${runId}의 분기${path === '' ? '' : ` (${path}부터)`}`,
  insideDone: (done, all) => `안에서 ${done}/${all} 완료`,
  notShown: (done, pending) =>
    `… ${[done > 0 ? `완료 ${done}개` : '', pending > 0 ? `시작 전 ${pending}개` : ''].filter((part) => part !== '').join(', ')} 생략 (--tree로 모두 표시)`,
  attempt: (count) => `${count}번째 시도`,
  spans: { waited: '차례 대기', ran: '실행', gap: '재시도 간격', asked: '답 대기' },
  criticalStep: '중요',
  cached: '캐시 사용',
  waitsForAnswer: '답을 기다림',
  asks: (question) => `답을 기다림: ${question}`,
  waitsUntil: (moment) => `${moment}까지 기다림`,
  untilMoment: (moment) => `${moment}까지`,
  quietSince: (moment) => `${moment} 이후 소식 없음`,
  begins: (moment, priority) =>
    `${moment === undefined ? '차례가 되면 시작' : `${moment}에 시작`}, 우선순위 ${priority}`,
  isQueued: (runId, begins) => `${runId}: 대기열에 있음, ${begins}`,
  servedBy: (pid, host, name) =>
    `${host}의 프로세스 ${pid}이(가) 저장소를 맡고 있으며, 에이전트 "${name}"이(가) 있으면 이 실행을 시작합니다`,
  goesOnThere: (pid, host, name) =>
    `${host}의 프로세스 ${pid}이(가) 저장소를 맡고 있으며, 에이전트 "${name}"이(가) 있으면 스스로 이어 갑니다`,
  notServedBy: (pid, host) =>
    `${host}의 프로세스 ${pid}이(가) 저장소를 쓰지만 실행을 맡지 않습니다. 맡는 프로세스가 생기면 시작합니다`,
  notServed: '지금 저장소를 맡은 프로세스가 없습니다. 맡는 프로세스가 생기면 시작합니다',
  damaged: '읽을 수 없음',
  leftBehind: '지금 이어 가는 프로세스가 없습니다. 맡았던 프로세스가 끝났습니다',
  leftBehindBy: (pid, host) =>
    `지금 이어 가는 프로세스가 없습니다. ${host}의 프로세스 ${pid}이(가) 저장소를 닫지 않고 끝났습니다`,
  isLeft: '이어 가는 프로세스 없음',
  wentBack: (runId) =>
    `실행 ${runId}은(는) 되돌려졌습니다. saga가 한 일이 취소되었고, 이어 가도 다시 실패합니다`,
  goesBack: (runId) =>
    `실행 ${runId}은(는) 되돌리는 중입니다. 이어 가면 saga가 한 일 중 남은 것을 취소하고, 그다음 실패합니다`,
  goOn: '이어 가기:',
  orStartAgain: (command) => `같은 runId로 프로그램을 다시 시작하거나, ${command}`,
  fromHere: '여기부터:',
  toUndo: '마저 되돌리기:',
  doAnew: '새로 하기:',
  toAnswer: '답하기:',
  toWatch: '지켜보기:',
  toCancel: '취소하기:',
  toLook: '살펴보기:',
  input: '입력',
  output: '출력',
  error: '오류',
  cause: '원인',
  request: '질문',
  wasAnswered: (path, moment, value) =>
    `"${path}"에 답했습니다${moment === undefined ? '' : ` (${moment})`}. 실행을 이어 갈 때 단계가 받습니다: ${value}`,
  reads: '읽는 값',
  tags: '태그',
  reason: '이유',
  partials: (count) => `부분 결과 ${count}개`,
  cut: (characters) => `… 모두 ${characters}자 (--full로 전체 표시)`,
  notRecorded: '기록되지 않음 (recordInputs로 실행하세요)',
  waitsForRuns: '실행을 기다립니다. 끝내려면 Ctrl-C를 누르세요',
  gone: '삭제됨',
  noStreams: '스트림이 없습니다',
  stream: '스트림',
  offset: '오프셋',
  lag: '지연',
  rows: '행',
  late: '늦은 항목',
  latestRecord: '마지막 기록',
  same: '차이가 없습니다',
  onlyIn: (runId) => `${runId}에만 있음`,
  moreChanges: (count) => `… ${count}개 더 있음 (--json으로 모두 표시)`,
  answered: (path, isChecked, became) =>
    `"${path}"에 답했습니다${isChecked ? '' : '(형식은 검사하지 않음)'}. ${became}`,
  mayNotFit: (why) =>
    `${why}. 그래서 아무것도 답을 검사하지 않습니다. 형식이 맞지 않는 답은 버려지고 단계는 계속 기다립니다`,
  toCheck: '검사하기:',
  nameAgents: '--agents <file>이나 millrace.config의 agents로 에이전트를 알려 주세요',
  noAgentsKnown: '여기서 아는 에이전트가 없습니다',
  noAgentNamed: (name) => `여기서 아는 에이전트 중에 "${name}"이(가) 없습니다`,
  asksAsItRuns: '함수가 실행 중에 요청하는 단계입니다',
  answerTaken: '단계가 답을 받아 이어 갑니다',
  answerHeard: '답을 보관했고, 실행을 맡은 프로세스가 이어 갑니다',
  answerOnItsWay: '답을 보관했고, 실행을 이어 가는 프로세스가 받습니다',
  nobodyServes: '답을 보관했지만, 이 실행을 이어 가는 프로세스가 없습니다',
  cancelled: '취소함',
  toldToStop: '중단하라고 알렸습니다',
  takenOut: '시작하기 전에 대기열에서 뺐습니다',
  cancelKept:
    '요청을 보관했습니다. 지금 이 실행을 이어 가는 프로세스가 없으므로, 다음 회차가 시작하자마자 중단됩니다',
  willCancel: (count) => `실행 ${count}개를 취소합니다`,
  willDelete: (count) => `실행 ${count}개를 삭제합니다`,
  wouldDelete: (count) => `실행 ${count}개를 삭제하게 됩니다`,
  deleted: (count) => `실행 ${count}개를 삭제했습니다`,
  confirm: '계속할까요? [y/N] ',
  notConfirmed: '아무것도 하지 않았습니다',
  again: '다시 실행',
  reusedSteps: '재사용',
  critical: 'critical 표시: 바깥에 영향을 줍니다',
  ofAll: (count, all) => `${all}개 중 ${count}개`,
  forked: '만듦',
  forkedBeside: (runId) => `만듦 ${runId} (이전 실행은 그대로 남습니다)`,
  asked: (runId) => `실행을 맡은 프로세스에 ${runId} 재개를 요청했습니다`,
  queued: (name) => `대기열에 넣었습니다. 실행을 맡은 프로세스에 에이전트 "${name}"이(가) 있으면 시작합니다`,
  known: '이미 있는 실행입니다. 바뀐 것이 없습니다',
  imported: '가져옴',
  inspects: (stores) => `${stores} 폴더를 보여 줍니다. 끝내려면 Ctrl-C를 누르세요`,
  intact: (runs) => `실행 ${runs}개, 모든 파일이 온전합니다`,
  saved: (runs) => `실행 ${runs}개를 살렸습니다`,
  wouldSave: (runs) => `실행 ${runs}개를 살리게 됩니다`,
  atByte: (offset) => `바이트 ${offset}`,
  noStoreYet: '여기에는 아직 저장소가 없습니다',
  nobodyWrites: '저장소에 쓰는 프로세스가 없습니다',
  hasLeftOpen: (pid, host) =>
    `${host}의 프로세스 ${pid}이(가) 저장소를 닫지 않고 끝났습니다. 다음 프로세스가 이어받습니다`,
  writesAndServes: (pid, host) => `${host}의 프로세스 ${pid}이(가) 저장소에 쓰고 실행을 맡고 있습니다`,
  onlyWrites: (pid, host) => `${host}의 프로세스 ${pid}이(가) 저장소에 쓰지만 실행을 맡지 않습니다`,
  leftoversGone: '열었다가 닫았습니다. 남은 임시 파일과 받을 실행이 없는 메시지를 지웠습니다',
  notFixed: (pid, host) =>
    `아무것도 하지 않았습니다. ${host}의 프로세스 ${pid}이(가) 저장소를 열고 있으며, 열 때 임시 파일을 지웁니다`,
  runHasNoAgent: (runId, name) => `${runId}: 에이전트 "${name}"이(가) 없습니다`,
  runHasChanged: (runId, changes) => `${runId}: 정의가 바뀌었습니다 (${changes})`,
  changesOfPlan: { added: '추가', removed: '삭제', changed: '변경', results: '결과' },
};

const tables: Readonly<Record<Lang, Words>> = { en, ko };

/** The texts of a language. */
export function wordsOf(lang: Lang): Words {
  return tables[lang];
}

/** The language that was asked for with `--lang`, else that of the environment. */
export function langOf(
  asked: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Lang | undefined {
  if (asked !== undefined) return asked === 'ko' || asked === 'en' ? asked : undefined;
  const locale = [env['LC_ALL'], env['LC_MESSAGES'], env['LANG']].find(
    (each) => each !== undefined && each !== '',
  );
  return locale?.toLowerCase().startsWith('ko') === true ? 'ko' : 'en';
}
