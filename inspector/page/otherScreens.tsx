import { useEffect, useState } from 'preact/hooks';
import type { ComponentChildren, JSX } from 'preact';

import type { AgentInfo, MeasuredWorkflow, MetricsReply, StreamsReply } from '../../adapters/http/contract';
import type { AgentStats } from '../../lib/metrics/agentMetrics';
import type { AlertRecord } from '../../lib/metrics/alert';
import type { LogLevel, RunEvent } from '../../lib/model/event';
import { offsetText } from '../../lib/store/streamRest';
import type { Plan } from '../../lib/model/plan';
import { addressPart, agoText, briefly, clockText, numberText, shortRunId, spanText } from './format';
import { GraphView } from './graphView';
import { act, view } from './machine';
import type { OpenRun } from './pageState';
import { CopyButton } from './details';
import { storeCommand, connection, openRun, storeName } from './pageState';
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
          href={`#/${encodeURIComponent(run.place.store)}/${addressPart(run.place.runId)}`}
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

/** A screen that is asked for when it opens, and again when somebody wants to. */
function Asked<T>({
  title,
  ask,
  show,
}: {
  readonly title: 'metrics' | 'streams';
  readonly ask: () => Promise<T>;
  readonly show: (reply: T) => JSX.Element;
}): JSX.Element {
  const [reply, setReply] = useState<T | undefined>(undefined);
  const [problem, setProblem] = useState('');
  const load = (): void => {
    ask().then(
      (answer) => {
        setProblem('');
        setReply(() => answer);
      },
      (error: unknown) => {
        setProblem((error as Error).message);
      },
    );
  };
  useEffect(load, [storeName()]);
  return (
    <main class={`${title}-screen`}>
      <header class="run-head">
        <a href="#/" class="back" title="Esc">
          ‹ {t('runs')}
        </a>
        <h1>{t(title)}</h1>
        <button onClick={load}>{t('reload')}</button>
      </header>
      {problem === '' ? null : (
        <p class="bad banner" role="alert">
          ✖ {problem}
        </p>
      )}
      {reply === undefined ? null : <div class="figures">{show(reply)}</div>}
    </main>
  );
}

/** The streams that remember: how far each has read, how far it is behind, and what it holds. */
export function StreamsScreen(): JSX.Element {
  return (
    <Asked
      title="streams"
      ask={() => connection().streams(storeName())}
      show={({ streams, damaged }) => (
        <>
          {damaged.map(({ name, error }) => (
            <p key={name} class="bad" role="alert">
              ⚠ {name} {t('cannotBeRead')}: {error.message}; <code>{storeCommand('doctor')}</code>
            </p>
          ))}
          {streams.length === 0 ? <p class="empty">{t('noStreams')}</p> : <StreamTable streams={streams} />}
        </>
      )}
    />
  );
}

function StreamTable({ streams }: { readonly streams: StreamsReply['streams'] }): JSX.Element {
  return (
    <Grid
      label={t('streams')}
      columns={[t('name'), t('offset'), t('lag'), t('rows'), t('late'), t('latestRecord')]}
    >
      {streams.map(({ name, offsets, lags, tables, late, committedAt }) => (
        <tr key={name}>
          <th scope="row">{name}</th>
          {[offsets, lags, tables, late].map((values, index) => (
            <td key={index}>
              {Object.entries(values).map(([of, value]) => (
                <div key={of}>
                  {of === name ? null : <span class="muted">{of} </span>}
                  <span title={briefly(value, 400)}>
                    {typeof value === 'number' ? numberText(value) : offsetText(value)}
                  </span>
                </div>
              ))}
            </td>
          ))}
          <td title={clockText(committedAt, true)}>{agoText(committedAt)}</td>
        </tr>
      ))}
    </Grid>
  );
}

/** A table with a line of titles. */
function Grid({
  label,
  columns: titles,
  children,
}: {
  readonly label: string;
  readonly columns: readonly string[];
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <table class="grid" aria-label={label}>
      <thead>
        <tr>
          {titles.map((title) => (
            <th scope="col" key={title}>
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}

/** Figures of workflows and their agents, and the alerts. */
export function MetricsScreen(): JSX.Element {
  return (
    <Asked
      title="metrics"
      ask={() => connection().metrics()}
      show={(metrics) =>
        metrics.isKept ? <Figures metrics={metrics} /> : <p class="empty">{t('noMetrics')}</p>
      }
    />
  );
}

function Figures({
  metrics: { workflows, alerts, history, streams },
}: {
  readonly metrics: MetricsReply;
}): JSX.Element {
  return (
    <>
      <section aria-label={t('alerts')} class="alerts">
        <h2>{t('alerts')}</h2>
        {alerts.length === 0 ? <p class="good">✔ {t('noAlerts')}</p> : null}
        <ul>
          {alerts.map(({ ruleName, workflowName, since }) => (
            <li key={`${workflowName} ${ruleName}`} class="bad">
              ⚠ <b>{workflowName}</b> {ruleName}{' '}
              {comparedText(
                history.findLast((each) => each.ruleName === ruleName && each.workflowName === workflowName),
              )}{' '}
              <span class="muted">{t('firingSince', { time: clockText(since) })}</span>
            </li>
          ))}
        </ul>
        <ol class="muted">
          {history.toReversed().map((record, index) => (
            <li key={index}>
              <time>{clockText(record.at)}</time>{' '}
              {record.status === 'FIRED' ? `⚠ ${t('fired')}` : `✔ ${t('cleared')}`} {record.workflowName}{' '}
              {record.ruleName} {comparedText(record)}
            </li>
          ))}
        </ol>
      </section>
      {workflows.map((workflow) => (
        <WorkflowFigures key={workflow.workflowName} workflow={workflow} />
      ))}
      {streams.length === 0 ? null : <StreamTable streams={streams} />}
    </>
  );
}

/** `33.3 > 30`, or the numbers that the rule looked at. */
function comparedText(record: AlertRecord | undefined): string {
  if (record === undefined) return '';
  const { figures, limit, status } = record;
  const seen = Object.entries(figures).map(([name, value]) => {
    const text = numberText(Math.round(value * 100) / 100);
    return name === 'value' ? text : `${name} ${text}`;
  });
  if (limit !== undefined) seen.push(status === 'FIRED' ? '>' : '≤', numberText(limit));
  return seen.join(limit === undefined ? ', ' : ' ');
}

type Figured = Omit<AgentStats, 'agentName' | 'ownDuration'>;

const columns = ['avgDuration', 'minDuration', 'p50', 'p95', 'p99', 'maxDuration', 'stdevDuration'] as const;

function WorkflowFigures({ workflow }: { readonly workflow: MeasuredWorkflow }): JSX.Element {
  const { workflowName, agents, recent, recentOf } = workflow;
  return (
    <Grid
      label={workflowName}
      columns={[
        workflowName,
        t('executions'),
        t('success'),
        ...columns.map((column) => t(column)),
        t('recent'),
      ]}
    >
      <FigureRow name={t('theRun')} figures={workflow} recent={recent} />
      {Object.values(agents).map((agent) => (
        <FigureRow
          key={agent.agentName}
          name={agent.agentName}
          figures={agent}
          recent={recentOf[agent.agentName] ?? []}
        />
      ))}
    </Grid>
  );
}

function FigureRow({
  name,
  figures,
  recent,
}: {
  readonly name: string;
  readonly figures: Figured;
  readonly recent: readonly number[];
}): JSX.Element {
  const { executions, successRate, failures } = figures;
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
        <Sparkline seconds={recent} />
      </td>
    </tr>
  );
}

/** How long the latest took, oldest first. */
function Sparkline({ seconds }: { readonly seconds: readonly number[] }): JSX.Element {
  const longest = Math.max(...seconds, 1e-9);
  return (
    <svg class="spark" width="120" height="16" role="img" aria-label={t('recent')}>
      <title>{seconds.map((each) => spanText(each * 1_000)).join(', ')}</title>
      {seconds.map((each, index) => {
        const height = 1 + (each / longest) * 15;
        return <rect key={index} x={index * 3} y={16 - height} width="2" height={height} />;
      })}
    </svg>
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
    <Grid label={t('steps')} columns={[t('step'), t('kind'), t('agent'), t('reads')]}>
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
    </Grid>
  );
}
