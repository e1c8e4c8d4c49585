import { useEffect, useState } from 'preact/hooks';
import type { JSX } from 'preact';

import type { AgentInfo, MetricsReply } from '../../adapters/http/contract';
import type { AgentStats } from '../../lib/metrics/agentMetrics';
import type { WorkflowStats } from '../../lib/metrics/workflowMetrics';
import type { LogLevel, RunEvent } from '../../lib/model/event';
import type { Plan } from '../../lib/model/plan';
import { briefly, clockText, numberText, shortRunId, spanText } from './format';
import { GraphView } from './graphView';
import { act, view } from './machine';
import type { OpenRun } from './pageState';
import { CopyButton } from './details';
import { connection, openRun } from './pageState';
import { t } from './texts';

const LINE = 22;
const levels: readonly LogLevel[] = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'];

/** What the steps of a run have written, in order. */
export function LogsScreen(): JSX.Element {
  const run = openRun.value;
  if (run === undefined) return <main />;
  return (
    <main class="logs-screen">
      <header class="run-head">
        <a
          href={`#/${encodeURIComponent(run.place.store)}/${encodeURIComponent(run.place.runId)}`}
          class="back"
          title="Esc"
        >
          ‹ {t('run')}
        </a>
        <h1>{t('logs')}</h1>
        <code>{shortRunId(run.place.runId)}</code>
        <span class="gap" />
        <select
          aria-label={t('level')}
          value={view.value.status === '' ? 'DEBUG' : view.value.status}
          onChange={({ currentTarget }) => {
            act({
              type: 'show',
              change: { status: currentTarget.value === 'DEBUG' ? '' : currentTarget.value },
            });
          }}
        >
          {levels.map((level) => (
            <option key={level} value={level}>
              {`≥ ${level}`}
            </option>
          ))}
        </select>
        <input
          type="search"
          placeholder={t('filterLogs')}
          aria-label={t('filterLogs')}
          value={view.value.filter}
          onInput={({ currentTarget }) => {
            act({ type: 'show', change: { filter: currentTarget.value } });
          }}
        />
      </header>
      <LogLines run={run} />
    </main>
  );
}

function LogLines({ run }: { readonly run: OpenRun }): JSX.Element {
  const { fold, place } = run;
  const [scroll, setScroll] = useState(0);
  void fold.version.value;
  const { status, filter } = view.value;
  const least = levels.indexOf((status === '' ? 'DEBUG' : status) as LogLevel);
  const text = filter.toLowerCase();
  const found: number[] = [];
  for (let number = 1; number <= fold.size; number += 1) {
    const event = fold.event(number);
    if (event?.type !== 'step.logged' || levels.indexOf(event.level) < least) continue;
    if (text === '' || event.message.toLowerCase().includes(text) || fitsPath(event.path, text))
      found.push(number);
  }
  const height = innerHeight;
  const first = Math.max(0, Math.floor(Math.min(scroll, found.length * LINE) / LINE) - 2);
  const shown = found.slice(first, first + Math.ceil(height / LINE) + 4);
  const [origin] = fold.range();
  return (
    <div
      class="log-lines"
      role="region"
      aria-label={t('logs')}
      tabIndex={0}
      onScroll={({ currentTarget }) => setScroll(currentTarget.scrollTop)}
    >
      <ol class="space" style={{ height: `${found.length * LINE}px` }}>
        {shown.map((number, index) => {
          const event = fold.event(number) as Extract<RunEvent, { type: 'step.logged' }>;
          return (
            <li key={number} class={event.level} style={{ top: `${(first + index) * LINE}px` }}>
              <button
                class="link"
                title={clockText(event.at, true)}
                onClick={() => {
                  act({
                    type: 'go',
                    to: {
                      screen: 'run',
                      ...place,
                      at: number,
                      tab: 'logs',
                      ...(event.path === '' ? {} : { step: event.path }),
                    },
                  });
                }}
              >
                +{spanText(event.at - origin)}
              </button>
              <b>{event.level}</b>
              <code>{event.path}</code>
              <span>
                {event.message}{' '}
                {event.data === undefined ? null : <code class="muted">{briefly(event.data, 300)}</code>}
              </span>
            </li>
          );
        })}
      </ol>
      {found.length === 0 && fold.isCaughtUp.value ? <p class="empty">{t('noLogs')}</p> : null}
    </div>
  );
}

/** Whether a path has the text, where `*` stands for anything. */
function fitsPath(path: string, text: string): boolean {
  const low = path.toLowerCase();
  if (!text.includes('*')) return low.includes(text);
  let at = 0;
  for (const part of text.split('*')) {
    const found = low.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return true;
}

/** Figures of workflows and their agents, and the alerts. */
export function MetricsScreen(): JSX.Element {
  const [metrics, setMetrics] = useState<MetricsReply | undefined>(undefined);
  const [problem, setProblem] = useState('');
  useEffect(() => {
    connection()
      .metrics()
      .then(setMetrics, (error: unknown) => {
        setProblem((error as Error).message);
      });
  }, []);
  return (
    <main class="metrics-screen">
      <header class="run-head">
        <a href="#/" class="back" title="Esc">
          ‹ {t('runs')}
        </a>
        <h1>{t('metrics')}</h1>
      </header>
      {problem === '' ? null : (
        <p class="bad banner" role="alert">
          ✖ {problem}
        </p>
      )}
      {metrics === undefined ? null : metrics.isKept ? (
        <Figures metrics={metrics} />
      ) : (
        <p class="empty">{t('noMetrics')}</p>
      )}
    </main>
  );
}

function Figures({
  metrics: { workflows, alerts, streams },
}: {
  readonly metrics: MetricsReply;
}): JSX.Element {
  return (
    <div class="figures">
      <section aria-label={t('alerts')} class="alerts">
        <h2>{t('alerts')}</h2>
        {alerts.length === 0 ? <p class="good">✔ {t('noAlerts')}</p> : null}
        <ul>
          {alerts.map(({ ruleName, workflowName, since }) => (
            <li key={`${workflowName} ${ruleName}`} class="bad">
              ⚠ <b>{workflowName}</b> {ruleName}{' '}
              <span class="muted">{t('firingSince', { time: clockText(since) })}</span>
            </li>
          ))}
        </ul>
      </section>
      {workflows.map((workflow) => (
        <WorkflowFigures key={workflow.workflowName} workflow={workflow} />
      ))}
      {streams.length === 0 ? null : (
        <section aria-label={t('streams')}>
          <h2>{t('streams')}</h2>
          <ul>
            {streams.map(({ name, lags, committedAt }) => (
              <li key={name}>
                <b>{name}</b> {briefly(lags, 120)} <span class="muted">{clockText(committedAt)}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

type Figured = Omit<AgentStats, 'agentName' | 'ownDuration'>;

const columns = ['avgDuration', 'minDuration', 'p50', 'p95', 'p99', 'maxDuration', 'stdevDuration'] as const;

function WorkflowFigures({ workflow }: { readonly workflow: WorkflowStats }): JSX.Element {
  const longest = Math.max(workflow.p99, ...Object.values(workflow.agents).map(({ p99 }) => p99), 1e-9);
  return (
    <table class="figure-table" aria-label={workflow.workflowName}>
      <thead>
        <tr>
          <th scope="col">{workflow.workflowName}</th>
          <th scope="col">{t('executions')}</th>
          <th scope="col">{t('success')}</th>
          {columns.map((column) => (
            <th scope="col" key={column}>
              {t(column)}
            </th>
          ))}
          <th scope="col">p50 – p99</th>
        </tr>
      </thead>
      <tbody>
        <FigureRow name={t('theRun')} figures={workflow} longest={longest} />
        {Object.values(workflow.agents).map((agent) => (
          <FigureRow key={agent.agentName} name={agent.agentName} figures={agent} longest={longest} />
        ))}
      </tbody>
    </table>
  );
}

function FigureRow({
  name,
  figures,
  longest,
}: {
  readonly name: string;
  readonly figures: Figured;
  readonly longest: number;
}): JSX.Element {
  const { executions, successRate, failures, p50, p95, p99 } = figures;
  const x = (seconds: number): number => (seconds / longest) * 118 + 1;
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>{numberText(executions)}</td>
      <td class={failures > 0 ? 'FAILED' : 'COMPLETED'}>
        {failures > 0 ? '✖' : '✔'} {successRate.toFixed(successRate === 100 ? 0 : 1)} %
      </td>
      {columns.map((column) => (
        <td key={column}>{spanText(figures[column] * 1_000)}</td>
      ))}
      <td>
        <svg class="spread" width="120" height="12" aria-hidden="true">
          <line x1={x(p50)} x2={x(p99)} y1="6" y2="6" />
          <rect x={x(p50)} width={Math.max(1, x(p95) - x(p50))} y="3" height="6" />
        </svg>
      </td>
    </tr>
  );
}

/** What an agent consists of, without any run. */
export function DefinitionScreen(): JSX.Element {
  const [agents, setAgents] = useState<readonly AgentInfo[] | undefined>(undefined);
  const run = openRun.value;
  useEffect(() => {
    connection()
      .agents()
      .then(
        (reply) => {
          setAgents(reply.agents);
        },
        () => {
          setAgents([]);
        },
      );
  }, []);
  void run?.fold.version.value;
  const chosen =
    agents?.find(({ name }) => name === view.value.filter) ?? (run === undefined ? agents?.[0] : undefined);
  const plan = chosen?.plan ?? run?.fold.head.plan ?? [];
  return (
    <main class="definition-screen">
      <header class="run-head">
        <a href="#/" class="back" title="Esc">
          ‹ {t('runs')}
        </a>
        <h1>{t('definition')}</h1>
        <code>{chosen?.name ?? run?.fold.head.name ?? ''}</code>
        {agents === undefined || agents.length === 0 ? null : (
          <select
            aria-label={t('agent')}
            value={chosen?.name ?? ''}
            onChange={({ currentTarget }) => {
              act({ type: 'show', change: { filter: currentTarget.value, scope: '' } });
            }}
          >
            {agents.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        )}
        <span class="gap" />
        {chosen === undefined ? null : <CopyButton text={chosen.mermaid} label={t('copyMermaid')} />}
      </header>
      {plan.length === 0 && agents !== undefined ? (
        <p class="empty">{t('noAgents')}</p>
      ) : (
        <GraphView plan={plan} fold={undefined} />
      )}
      <PlanTable plan={plan} />
      {chosen?.input === undefined ? null : (
        <details>
          <summary>{t('input')}</summary>
          <pre>{JSON.stringify(chosen.input, undefined, 2)}</pre>
        </details>
      )}
      <p class="muted">{t('stepsCount', { n: numberText(plan.length) })}</p>
    </main>
  );
}

function PlanTable({ plan }: { readonly plan: Plan }): JSX.Element {
  return (
    <table class="plan" aria-label={t('steps')}>
      <thead>
        <tr>
          {(['step', 'kind', 'agent', 'reads'] as const).map((column) => (
            <th key={column} scope="col">
              {t(column)}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {plan.map(({ path, kind, agent, sources, reads }) => (
          <tr key={path}>
            <th scope="row">
              <code>{path}</code>
            </th>
            <td>{kind}</td>
            <td>{agent}</td>
            <td>
              <code>{reads ?? sources.join(', ')}</code>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
