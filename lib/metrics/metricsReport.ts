import { hideSecrets } from '../model/secrets/secretTexts';
import { formatPercent, formatSeconds, formatShortPercent } from './figures';
import type { WorkflowStats } from './workflowMetrics';

/** The language of a report. */
export type Locale = 'en' | 'ko';

/** What a report looks like. */
export interface ReportOptions {
  /** English when left out. */
  readonly locale?: Locale;
}

/** How a stream that remembers stands; a `StreamSummary` of `millrace/store` is one. */
export interface StreamFigures {
  /** Under which it is claimed. */
  readonly name: string;
  /** The latest offset of each source. */
  readonly offsets: Readonly<Record<string, unknown>>;
  /** How much each source held behind its offset, where it says so, in a unit of its own; `lines` counts bytes. */
  readonly lags: Readonly<Record<string, number>>;
  /** Number of rows of each table, such as keys or open windows. */
  readonly tables: Readonly<Record<string, number>>;
  /** How many items came too late for their windows, by the name of the table; tables without such items are left out. */
  readonly late: Readonly<Record<string, number>>;
  /** Epoch milliseconds of the latest record. */
  readonly committedAt: number;
}

/**
 * The numbers of workflows and their agents as text to read; no line feed at the end.
 *
 * The Korean text is that of section 4.6 of the founding document.
 */
export function metricsReport(
  stats: WorkflowStats | readonly WorkflowStats[],
  options: ReportOptions = {},
  streams: readonly StreamFigures[] = [],
): string {
  const { locale = 'en' } = options;
  const words = wordings[locale];
  const all: readonly WorkflowStats[] = isList(stats) ? stats : [stats];
  const parts =
    all.length === 0 && streams.length === 0
      ? [words.nothing]
      : all.map((workflow) => partOf(workflow, words).join('\n'));
  parts.push(...streams.map((stream) => streamPart(stream, words).join('\n')));
  return [words.title, RULE, '', parts.join('\n\n')].join('\n');
}

const RULE = '='.repeat(49);

interface Wording {
  readonly title: string;
  readonly nothing: string;
  readonly workflow: (name: string) => string;
  readonly counts: (executions: number, successes: number, failures: number) => string;
  readonly rate: (percent: string) => string;
  readonly average: (seconds: string) => string;
  readonly stream: (name: string) => string;
  readonly source: (name: string, offset: string, lag: number | undefined) => string;
  readonly table: (name: string, rows: number, late: number) => string;
  readonly record: (moment: string) => string;
  readonly agents: string;
  readonly agent: (name: string, executions: number, percent: string) => string;
}

const wordings: Readonly<Record<Locale, Wording>> = {
  ko: {
    title: ' 모니터링 메트릭 리포트',
    nothing: '아직 실행이 없습니다',
    workflow: (name) => `워크플로우: ${name}`,
    counts: (executions, successes, failures) =>
      `실행: ${executions} | 성공: ${successes} | 실패: ${failures}`,
    rate: (percent) => `성공률: ${percent}%`,
    average: (seconds) => `평균 시간: ${seconds}초`,
    stream: (name) => `스트림: ${name}`,
    source: (name, offset, lag) => `${name}: 오프셋 ${offset}${lag === undefined ? '' : `, 지연 ${lag}`}`,
    table: (name, rows, late) => `${name}: 행 ${rows}개${late === 0 ? '' : `, 늦은 항목 ${late}개`}`,
    record: (moment) => `마지막 기록: ${moment}`,
    agents: ' 에이전트 메트릭:',
    agent: (name, executions, percent) => `${name}: 실행 ${executions}회, 성공률 ${percent}%`,
  },
  en: {
    title: ' Monitoring metrics report',
    nothing: 'Nothing has run yet',
    workflow: (name) => `Workflow: ${name}`,
    counts: (executions, successes, failures) =>
      `Executions: ${executions} | Successes: ${successes} | Failures: ${failures}`,
    rate: (percent) => `Success rate: ${percent}%`,
    average: (seconds) => `Average time: ${seconds} s`,
    stream: (name) => `Stream: ${name}`,
    source: (name, offset, lag) =>
      `${name}: offset ${offset}${lag === undefined ? '' : `, ${lag} behind it`}`,
    table: (name, rows, late) => `${name}: ${rows} rows${late === 0 ? '' : `, ${late} items came too late`}`,
    record: (moment) => `Latest record: ${moment}`,
    agents: ' Agent metrics:',
    agent: (name, executions, percent) => `${name}: ${executions} executions, success rate ${percent}%`,
  },
};

function partOf(stats: WorkflowStats, words: Wording): readonly string[] {
  const agents = Object.values(stats.agents);
  return [
    words.workflow(printable(stats.workflowName)),
    `  ${words.counts(stats.executions, stats.successes, stats.failures)}`,
    `  ${words.rate(formatPercent(stats.successRate))}`,
    `  ${words.average(formatSeconds(stats.avgDuration))}`,
    ...(agents.length === 0 ? [] : ['  ', `  ${words.agents}`]),
    ...agents.map((agent) => {
      const rate = formatShortPercent(agent.successRate);
      return `    - ${words.agent(printable(agent.agentName), agent.executions, rate)}`;
    }),
  ];
}

function streamPart(stream: StreamFigures, words: Wording): readonly string[] {
  const { name, offsets, lags, tables, late, committedAt } = stream;
  return [
    words.stream(printable(name)),
    ...Object.entries(offsets).map(([source, offset]) => {
      const text = printable(typeof offset === 'string' ? offset : JSON.stringify(offset));
      return `  ${words.source(printable(source), text, lags[source])}`;
    }),
    ...Object.entries(tables).map(
      ([table, rows]) => `  ${words.table(printable(table), rows, late[table] ?? 0)}`,
    ),
    ...(committedAt === 0 ? [] : [`  ${words.record(new Date(committedAt).toISOString())}`]),
  ];
}

/** A name on one line, without what would move the cursor. */
function printable(name: string): string {
  return hideSecrets(name).replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ');
}

function isList(stats: WorkflowStats | readonly WorkflowStats[]): stats is readonly WorkflowStats[] {
  return Array.isArray(stats);
}
