import { signal } from '@preact/signals-core';

import type { NextStep, RunReply } from '../../adapters/http/contract';

/** The languages of the page. */
export const languages = { en: 'English', ko: '한국어' } as const;

/** The code of a language. */
export type Language = keyof typeof languages;

/** The language that is shown. */
export const language = signal<Language>('en');

/** Everything that the page says: `{name}` is replaced. Other languages have files of their own, which are loaded when asked for. */
export const texts = {
  // States of runs and steps.
  IDLE: 'idle',
  PENDING: 'pending',
  RUNNING: 'running',
  SUSPENDED: 'suspended',
  COMPLETED: 'completed',
  FAILED: 'failed',
  SKIPPED: 'skipped',
  CANCELLED: 'cancelled',
  // The frame of the page.
  runs: 'Runs',
  metrics: 'Metrics',
  definition: 'Definition',
  store: 'Store',
  theme: 'Theme',
  system: 'System',
  light: 'Light',
  dark: 'Dark',
  keys: 'Keys',
  readOnly: 'read only',
  savedPage: 'saved page',
  reconnecting: 'reconnecting',
  noToken: 'The token is not valid',
  open: 'open',
  close: 'Close',
  copy: 'Copy',
  copied: 'Copied: {text}',
  notCopied: 'The browser does not allow it',
  yes: 'yes',
  // The list of runs.
  run: 'Run',
  name: 'Name',
  status: 'Status',
  started: 'Started',
  took: 'Took',
  steps: 'Steps',
  whatHappened: 'What happened',
  since: 'since',
  allTime: 'all time',
  lastHours: 'last {time}',
  filterRuns: 'Filter: name, id, step, error…',
  noRuns: 'No runs yet.',
  runsCount: '{n} runs',
  isServed: 'served by a process',
  notServed: 'nobody serves these runs',
  queued: '{n} queued',
  cannotBeRead: 'cannot be read',
  waitsForAnswer: 'waits for an answer: {paths}',
  forkOf: 'fork of',
  fromStep: 'from {path}',
  lifeN: 'life {n}',
  // One run.
  graph: 'Graph of the steps',
  wholeRun: 'whole run',
  doubleClickGoesIn: 'double click goes in',
  theRun: 'The run',
  runId: 'Id',
  used: 'Used',
  tokens: '{n} tokens',
  reason: 'Reason',
  whatNext: 'What to do next',
  copyCommand: 'copy as command',
  nextAnswer: 'Answer what "{path}" asks.',
  nextCancel: 'Stop it.',
  nextResume: 'Go on; what is done is not called again.',
  nextResumeUnserved: 'Nobody serves this store: whoever does it needs the agents.',
  nextResumeChanged: 'Its definition has changed since: that is refused unless it is allowed.',
  nextFork: 'Make a new run that reuses what this one has done; this one stays as it is.',
  nextWait: 'It is under way, or goes on by itself.',
  runGone: 'This run has been deleted',
  life: 'Life',
  allLives: 'all {n} lives',
  filterSteps: 'Filter: step, state, error…',
  hideDone: 'Hide finished',
  cutIdle: 'Cut idle time',
  exportHtml: 'Export HTML',
  compare: 'Compare',
  logs: 'Logs',
  noSteps: 'Nothing fits.',
  doneNotShown: '{n} done, not shown (show)',
  failedCount: '{n} failed',
  waitsFor: 'waits for {what}',
  waited: 'waited its turn',
  ran: 'ran',
  gap: 'between attempts',
  asked: 'waits for a person',
  onCriticalPath: 'critical path',
  map: 'Running steps over time; draw to zoom',
  // Details.
  details: 'Details',
  output: 'Output',
  input: 'Input',
  error: 'Error',
  events: 'Events',
  raw: 'Raw',
  step: 'Step',
  kind: 'Kind',
  agent: 'Agent',
  attempts: 'Attempts',
  attempt: 'attempt {n}',
  waitedBefore: 'waited {time} before',
  began: 'Began',
  reads: 'Reads',
  waitsForName: 'Waits for',
  cached: 'From the cache',
  inherited: 'Taken over',
  criticalStep: 'Critical',
  actsOutside: 'acts outside',
  givenBy: 'Given by',
  deadline: 'Deadline',
  noOutput: 'No output.',
  noError: 'No error.',
  noLogs: 'No log lines.',
  inputNotRecorded: 'Not recorded: run with recordInputs. It reads: ',
  cutValue: 'Only the beginning of {size} is shown.',
  loadAll: 'Load all',
  download: 'Download',
  notRetryable: 'trying again cannot help',
  firstFailedAt: 'first failed at {path}',
  cause: 'caused by',
  rerunFromHere: 'Rerun from here',
  // Moments.
  moment: 'Moment',
  firstEvent: 'first event',
  previousEvent: 'previous event',
  nextEvent: 'next event',
  play: 'play',
  pause: 'pause',
  speed: 'Speed',
  live: 'Live',
  end: 'End',
  difference: 'Difference',
  between: 'between',
  and: 'and',
  beginning: 'the beginning',
  changedBy: '{path} was changed by event',
  stepsCount: '{n} steps',
  noDifference: 'No difference.',
  // Rerun, answer, cancel.
  rerun: 'Rerun',
  from: 'from',
  whatFailed: 'what failed',
  runsAgain: 'Runs again',
  reused: 'Reused',
  criticalAgain: 'Acts outside and runs again: {paths}',
  andMore: 'and {n} more',
  theSame: 'the same',
  editInput: 'edit',
  inputFits: 'The input fits.',
  noJson: 'This is no JSON: {why}',
  definitionSame: 'The definition is the same.',
  notChecked:
    'Nothing checks this: the agent is not known here. Name it: agents in millrace.config, or inspector({ agents }).',
  definitionChanged: 'The definition differs at {n} paths',
  nobodyServes: 'Nobody serves these runs: the fork waits until it is resumed.',
  oldRunStays: 'The old run stays as it is.',
  asCommand: 'As a command:',
  cancelDialog: 'Back',
  makeFork: 'Make the fork',
  makeForkAndRun: 'Make the fork and run',
  forkMade: 'The fork {id} has been made',
  forkRuns: 'The fork {id} runs',
  answer: 'Answer',
  request: 'Request',
  noRequest: 'Nothing was said about what is asked.',
  answerAsJson: 'Answer as JSON',
  approve: 'Approve',
  reject: 'Reject',
  sendAnswer: 'Send',
  answerTaken: '{path} has its answer ({time})',
  answerKept: 'The answer is kept until the run is resumed:',
  cancelRun: 'Cancel the run',
  leaveIt: 'Leave it',
  cancelWill: 'Stops {n} running steps. The run can be resumed later.',
  cancelAsked: 'The run was asked to stop',
  nobodyServesCancel: 'Nobody serves these runs: this one hears of it when it is resumed.',
  // Compare.
  otherRun: 'the other run…',
  onlyDifferences: 'only differences',
  firstDifference: 'first difference',
  // Logs, metrics, definition.
  level: 'Level',
  filterLogs: 'Filter: text, path with *',
  alerts: 'Alerts',
  noAlerts: 'Nothing is firing.',
  firingSince: 'since {time}',
  fired: 'fired',
  cleared: 'cleared',
  noMetrics: 'No metrics are kept here.',
  recent: 'latest',
  reload: 'Reload',
  streams: 'Streams',
  offset: 'Offset',
  lag: 'Lag',
  rows: 'Rows',
  late: 'Late items',
  latestRecord: 'Latest record',
  noStreams: 'No stream remembers anything here.',
  executions: 'Executions',
  success: 'Success',
  avgDuration: 'avg',
  minDuration: 'min',
  maxDuration: 'max',
  stdevDuration: 'stdev',
  p50: 'p50',
  p95: 'p95',
  p99: 'p99',
  copyMermaid: 'Copy Mermaid',
  noAgents: 'No agents are known here.',
  // Times.
  seconds: '{n} s',
  minutes: '{n} m',
  hours: '{n} h',
  days: '{n} d',
  // Keys: what they do.
  'j ↓': 'next row',
  'k ↑': 'previous row',
  '→ ←': 'open, close, go to the parent',
  Enter: 'read the details',
  'f F': 'next, previous failure',
  c: 'next on the critical path',
  h: 'hide what is finished',
  'w s': 'zoom in, out',
  'a e': 'move left, right',
  '0 1': 'fit all, fit the selection',
  i: 'cut idle time',
  'l L': 'next, previous life',
  '[ ]': 'previous, next event',
  '{ }': 'previous, next event of this step',
  Space: 'play, pause',
  '.': 'back to live',
  d: 'difference to the previous moment',
  r: 'rerun from here (asks first)',
  x: 'answer what waits',
  'y Y': 'copy the path, the command',
  'Alt+1…6': 'tabs of the details',
  '/ Esc': 'filter; Esc clears it',
  'g r': 'go to the runs',
  'g l': 'go to the logs',
  'g m': 'go to the metrics',
  'g s': 'go to the streams',
  'g d': 'go to the definition',
} as const;

/** The name of a text. */
export type TextKey = keyof typeof texts;

/** The texts of a language. */
export type Texts = Readonly<Record<TextKey, string>>;

const others = signal<Readonly<Partial<Record<Language, Texts>>>>({});

/** A text in the language that is shown. */
export function t(key: TextKey, values: Readonly<Record<string, string | number>> = {}): string {
  const text = others.value[language.value]?.[key] ?? texts[key];
  return text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

const nextTexts: Readonly<Record<NextStep['action'], TextKey>> = {
  answer: 'nextAnswer',
  cancel: 'nextCancel',
  resume: 'nextResume',
  fork: 'nextFork',
  wait: 'nextWait',
};

/** What can be done next: what the server says of it in English, in the language that is shown. */
export function nextText(
  { action, path = '' }: NextStep,
  { isServed, definition }: Pick<RunReply, 'isServed' | 'definition'>,
): string {
  const text = t(nextTexts[action], { path });
  if (action !== 'resume') return text;
  const unserved = isServed ? '' : ` ${t('nextResumeUnserved')}`;
  return `${text}${unserved}${definition.is === 'changed' ? ` ${t('nextResumeChanged')}` : ''}`;
}

/** Where the texts of a language that is not in the script come from. */
export type TextSource = (code: Language) => Promise<Texts>;

/** Shows the page in the language of a code such as `ko-KR`; in English where it does not have that. */
export async function chooseLanguage(code: string, source: TextSource): Promise<void> {
  const chosen: Language = code.toLowerCase().startsWith('ko') ? 'ko' : 'en';
  if (chosen !== 'en' && others.peek()[chosen] === undefined)
    others.value = { ...others.peek(), [chosen]: await source(chosen) };
  language.value = chosen;
  document.documentElement.lang = chosen;
}
