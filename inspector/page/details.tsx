import { useEffect, useState } from 'preact/hooks';
import type { JSX } from 'preact';

import type { CutValue, RunReply, ValueKind } from '../../adapters/http/contract';
import type { RunEvent } from '../../lib/model/event';
import type { Failure } from '../../lib/model/failure';
import type { PlanStep } from '../../lib/model/plan';
import { isWithin } from '../../lib/model/stepPath';
import type { StepResult } from '../../lib/model/stepResult';
import { shortStack } from '../shortStack';
import {
  agoText,
  briefly,
  bytesText,
  clockText,
  giverText,
  icons,
  numberText,
  pretty,
  spanText,
} from './format';
import type { Tab } from './machine';
import { act, tabs, view } from './machine';
import { nodeStatus } from './rowList';
import type { OpenRun } from './pageState';
import { clock, connection, mayWrite, say } from './pageState';
import { nextText, t } from './texts';
import { extentOf, waitsFor } from './rows';

/** A preview in place of a value that is large. */
export function isCut(value: unknown): value is CutValue {
  return typeof value === 'object' && value !== null && '$at' in value && 'preview' in value;
}

/** What is known of the selected step, or of the run. */
export function Details({
  run,
  plan,
}: {
  readonly run: OpenRun;
  readonly plan: ReadonlyMap<string, PlanStep>;
}): JSX.Element {
  const { step, tab: chosen } = view.value;
  const { fold } = run;
  void fold.version.value;
  const path = step ?? '';
  const row = path === '' ? undefined : fold.state.steps.get(path);
  const status = path === '' ? fold.state.status : row?.status;
  const tab = chosen === 'auto' ? (status === 'FAILED' ? 'error' : 'output') : chosen;
  return (
    <aside class="details" aria-label={t('details')}>
      {path === '' ? <RunTop run={run} /> : <StepTop run={run} path={path} row={row} plan={plan} />}
      <div class="tabs" role="tablist">
        {tabs.map((name) => (
          <button
            key={name}
            role="tab"
            aria-selected={name === tab}
            onClick={() => {
              act({ type: 'show', change: { tab: name } });
            }}
          >
            {t(name)}
          </button>
        ))}
      </div>
      <div class="panel" role="tabpanel" aria-label={t(tab)} tabIndex={0}>
        <Panel run={run} path={path} row={row} tab={tab} plan={plan} />
      </div>
      {mayWrite.value && path !== '' && row !== undefined ? <Actions path={path} row={row} /> : null}
    </aside>
  );
}

function RunTop({ run }: { readonly run: OpenRun }): JSX.Element {
  const { state } = run.fold;
  const reply = run.reply.value;
  return (
    <header class="top">
      <h2>{t('theRun')}</h2>
      <dl>
        <Fact name={t('runId')}>
          <code>{run.place.runId}</code>
        </Fact>
        {state.forkedFrom === undefined ? null : (
          <Fact name={t('forkOf')}>
            <button
              class="link"
              onClick={() => {
                act({
                  type: 'go',
                  to: { screen: 'run', store: run.place.store, runId: state.forkedFrom?.runId ?? '' },
                });
              }}
            >
              {state.forkedFrom.runId}
            </button>{' '}
            {t('fromStep', { path: state.forkedFrom.path })}
          </Fact>
        )}
        {Object.entries(state.tags ?? {}).map(([name, value]) => (
          <Fact key={name} name={name}>
            {value}
          </Fact>
        ))}
        {state.used === undefined ? null : (
          <Fact name={t('used')}>
            {[
              state.used.tokens === undefined ? '' : t('tokens', { n: numberText(state.used.tokens) }),
              state.used.usd === undefined ? '' : `$${state.used.usd.toFixed(4)}`,
            ]
              .filter((text) => text !== '')
              .join(', ')}
          </Fact>
        )}
        {state.reason === undefined ? null : <Fact name={t('reason')}>{state.reason}</Fact>}
      </dl>
      <NextSteps reply={reply} />
    </header>
  );
}

function NextSteps({ reply }: { readonly reply: RunReply | undefined }): JSX.Element | null {
  if (reply === undefined || reply.next.length === 0) return null;
  return (
    <ul class="next" aria-label={t('whatNext')}>
      {reply.next.map((step) => (
        <li key={`${step.action} ${step.path ?? ''}`}>
          {nextText(step, reply)}
          {step.command === undefined ? null : <CopyButton text={step.command} label={t('copyCommand')} />}
        </li>
      ))}
    </ul>
  );
}

function StepTop({
  run,
  path,
  row,
  plan,
}: {
  readonly run: OpenRun;
  readonly path: string;
  readonly row: StepResult | undefined;
  readonly plan: ReadonlyMap<string, PlanStep>;
}): JSX.Element {
  const { fold } = run;
  const node = fold.node(path);
  const status = node === undefined ? undefined : nodeStatus(node);
  const waited =
    node?.spans
      .filter(({ kind }) => kind === 'waited')
      .reduce((sum, span) => sum + ((span.to ?? 0) - span.from), 0) ?? 0;
  const extent = node === undefined ? undefined : extentOf(node, clock.value);
  const declared = plan.get(path);
  const giver = giverText(row?.givenBy);
  const missing = status === 'PENDING' || status === undefined ? waitsFor(path, fold, plan) : [];
  return (
    <header class="top">
      <h2>
        <span class="path">{path}</span>
        {status === undefined ? null : (
          <span class={`badge ${status}`}>
            {icons[status]} {t(status)}
          </span>
        )}
      </h2>
      <dl>
        <Fact name={t('agent')}>
          {row?.agent ?? declared?.agent ?? ''}
          {declared === undefined || declared.kind === 'function' ? null : ` (${declared.kind})`}
        </Fact>
        {row === undefined || row.attempts === 0 ? null : <Fact name={t('attempts')}>{row.attempts}</Fact>}
        {extent === undefined ? null : (
          <Fact name={t('took')}>
            {spanText(extent[1] - extent[0])}
            {waited > 0 ? `, ${t('waitedBefore', { time: spanText(waited) })}` : ''}
          </Fact>
        )}
        {extent === undefined ? null : (
          <Fact name={t('began')}>
            <time title={clockText(extent[0], true)}>+{spanText(extent[0] - fold.range()[0])}</time>
          </Fact>
        )}
        {declared === undefined || declared.sources.length === 0 ? null : (
          <Fact name={t('reads')}>
            <code>{declared.reads ?? declared.sources.join(', ')}</code>
          </Fact>
        )}
        {missing.length === 0 ? null : (
          <Fact name={t('waitsForName')}>
            {missing.map((source) => (
              <SourceLink key={source} path={path} source={source} />
            ))}
          </Fact>
        )}
        {row?.cached === true ? <Fact name={t('cached')}>{t('yes')}</Fact> : null}
        {row?.inherited === true ? <Fact name={t('inherited')}>{t('yes')}</Fact> : null}
        {row?.critical === true ? <Fact name={t('criticalStep')}>{t('actsOutside')}</Fact> : null}
        {giver === undefined ? null : (
          <Fact name={t('givenBy')}>
            <code>{giver}</code>
          </Fact>
        )}
        {row?.deadline === undefined ? null : (
          <Fact name={t('deadline')}>
            <time title={clockText(row.deadline, true)}>{agoText(row.deadline)}</time>
          </Fact>
        )}
      </dl>
    </header>
  );
}

function SourceLink({ path, source }: { readonly path: string; readonly source: string }): JSX.Element {
  const to = `${path.slice(0, path.lastIndexOf('/') + 1)}${source}`;
  return (
    <button
      class="link"
      onClick={() => {
        act({ type: 'show', change: { step: to } });
      }}
    >
      {source}
    </button>
  );
}

function Fact({
  name,
  children,
}: {
  readonly name: string;
  readonly children: preact.ComponentChildren;
}): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Panel({
  run,
  path,
  row,
  tab,
  plan,
}: {
  readonly run: OpenRun;
  readonly path: string;
  readonly row: StepResult | undefined;
  readonly tab: Tab;
  readonly plan: ReadonlyMap<string, PlanStep>;
}): JSX.Element {
  const { state } = run.fold;
  switch (tab) {
    case 'output': {
      const output = path === '' ? state.output : row?.output;
      if (output !== undefined && row?.status !== 'RUNNING')
        return <Value run={run} value={output} path={path} of="output" />;
      return <Partials run={run} path={path} />;
    }
    case 'input': {
      const input = path === '' ? state.input : row?.input;
      if (input !== undefined) return <Value run={run} value={input} path={path} of="input" />;
      const declared = plan.get(path);
      return (
        <p class="empty">
          {t('inputNotRecorded')}
          {declared === undefined ? null : <code>{declared.reads ?? declared.sources.join(', ')}</code>}
        </p>
      );
    }
    case 'error':
      return <Errors run={run} path={path} row={row} />;
    case 'logs':
      return <StepLogs run={run} path={path} />;
    case 'events':
      return <StepEvents run={run} path={path} />;
    case 'raw':
      return (
        <Text
          text={pretty(path === '' ? { ...state, steps: state.steps.size, plan: state.plan.length } : row)}
        />
      );
  }
}

/** The partial results of a step so far: tokens as one text, others as a list. */
function Partials({ run, path }: { readonly run: OpenRun; readonly path: string }): JSX.Element {
  const values = run.fold
    .eventsOf(path, 500)
    .map((number) => run.fold.event(number))
    .filter((event): event is Extract<RunEvent, { type: 'step.emitted' }> => event?.type === 'step.emitted')
    .map(({ value }) => value);
  if (values.length === 0) return <p class="empty">{t('noOutput')}</p>;
  const isText = values.every((value) => typeof value === 'string');
  return <Text text={isText ? values.join('') : values.map((value) => briefly(value, 400)).join('\n')} />;
}

/** A value as text; of a large one its beginning, and ways to the rest. */
export function Value({
  run,
  value,
  path,
  of,
}: {
  readonly run: OpenRun;
  readonly value: unknown;
  readonly path: string;
  readonly of: ValueKind;
}): JSX.Element {
  const [whole, setWhole] = useState<string | undefined>(undefined);
  const cut = isCut(value) ? value : undefined;
  useEffect(() => {
    setWhole(undefined);
  }, [path, of, cut?.$at.offset]);
  if (cut === undefined) return <Text text={pretty(value)} />;
  const where = { path, of, offset: cut.$at.offset };
  const url = connection().valueUrl(run.place, where);
  const load = (): void => {
    connection()
      .value(run.place, where, 5 * 1024 * 1024)
      .then(
        ({ text, isCut: isStillCut }) => {
          setWhole(isStillCut ? text : pretty(JSON.parse(text)));
        },
        (error: unknown) => {
          say((error as Error).message, true);
        },
      );
  };
  return (
    <>
      <p class="cut">
        {t('cutValue', { size: bytesText(cut.bytes) })}{' '}
        {cut.bytes <= 5 * 1024 * 1024 && whole === undefined && url !== undefined ? (
          <button onClick={load}>{t('loadAll')}</button>
        ) : null}
        {url === undefined ? null : (
          <a href={url} download={`${path === '' ? 'run' : path.replaceAll(/[^\w]+/g, '-')}-${of}.json`}>
            {t('download')}
          </a>
        )}
      </p>
      <Text text={whole ?? `${cut.preview}…`} />
    </>
  );
}

function Text({ text }: { readonly text: string }): JSX.Element {
  return (
    <div class="value">
      <CopyButton text={text} label={t('copy')} />
      <pre>{text}</pre>
    </div>
  );
}

/** Puts a text into the clipboard. */
export function CopyButton({ text, label }: { readonly text: string; readonly label: string }): JSX.Element {
  return (
    <button
      class="copy"
      title={text.length > 200 ? label : text}
      onClick={() => {
        copyText(text);
      }}
    >
      {label}
    </button>
  );
}

/** Puts a text into the clipboard and says so. */
export function copyText(text: string): void {
  navigator.clipboard.writeText(text).then(
    () => {
      say(t('copied', { text: briefly(text, 60) }));
    },
    () => {
      say(t('notCopied'), true);
    },
  );
}

/** Every error that a step has met, the latest first. */
function Errors({
  run,
  path,
  row,
}: {
  readonly run: OpenRun;
  readonly path: string;
  readonly row: StepResult | undefined;
}): JSX.Element {
  const { fold } = run;
  const told = fold
    .eventsOf(path, 200)
    .map((number) => fold.event(number))
    .flatMap((event) =>
      event?.type === 'step.retrying' || event?.type === 'step.failed'
        ? [{ error: event.error, attempt: event.attempt, at: event.at }]
        : event?.type === 'run.failed'
          ? [{ error: event.error, attempt: 0, at: event.at }]
          : [],
    )
    .reverse();
  const known = path === '' ? fold.state.error : row?.error;
  if (told.length === 0 && (known === undefined || known === null))
    return <p class="empty">{t('noError')}</p>;
  const errors = told.length === 0 && known ? [{ error: known, attempt: 0, at: 0 }] : told;
  return (
    <>
      {errors.map(({ error, attempt, at }, index) => (
        <article class="error" key={`${at} ${index}`}>
          {attempt === 0 ? null : (
            <h3>
              {t('attempt', { n: attempt })}{' '}
              <time title={clockText(at, true)}>+{spanText(at - fold.range()[0])}</time>
            </h3>
          )}
          <FailureText failure={error} own={path} />
        </article>
      ))}
    </>
  );
}

function FailureText({ failure, own }: { readonly failure: Failure; readonly own: string }): JSX.Element {
  const { name, message, code, status, cause, errors, stack, path, retryable } = failure;
  const facts = [
    code,
    status === undefined ? undefined : `HTTP ${status}`,
    retryable ? undefined : t('notRetryable'),
  ];
  return (
    <div class="failure">
      <pre class="message">
        <b>{name}</b>: {message}
      </pre>
      <p class="facts">
        {facts.filter((fact) => fact !== undefined && fact !== '').join(' · ')}
        {path !== undefined && path !== own ? (
          <button
            class="link"
            onClick={() => {
              act({ type: 'show', change: { step: path } });
            }}
          >
            {t('firstFailedAt', { path })}
          </button>
        ) : null}
      </p>
      {stack === undefined ? null : <pre class="stack">{shortStack(stack)}</pre>}
      {cause === undefined ? null : (
        <div class="cause">
          <span>{t('cause')}</span>
          <FailureText failure={cause} own={own} />
        </div>
      )}
      {errors?.map((error, index) => (
        <div class="cause" key={index}>
          <FailureText failure={error} own={own} />
        </div>
      ))}
    </div>
  );
}

function StepLogs({ run, path }: { readonly run: OpenRun; readonly path: string }): JSX.Element {
  const { fold } = run;
  const found: number[] = [];
  for (let number = fold.at; number > 0 && found.length < 300; number -= 1) {
    const event = fold.event(number);
    if (event?.type === 'step.logged' && isWithin(event.path, path)) found.push(number);
  }
  if (found.length === 0) return <p class="empty">{t('noLogs')}</p>;
  return (
    <ol class="lines">
      {found.reverse().map((number) => {
        const event = fold.event(number);
        return event?.type === 'step.logged' ? (
          <li key={number} class={event.level}>
            <Moment run={run} number={number} /> <b>{event.level}</b> {event.message}
            {event.data === undefined ? null : <code> {briefly(event.data, 300)}</code>}
          </li>
        ) : null;
      })}
    </ol>
  );
}

function StepEvents({ run, path }: { readonly run: OpenRun; readonly path: string }): JSX.Element {
  const numbers = run.fold.eventsOf(path, 300);
  return (
    <ol class="lines">
      {numbers.map((number) => {
        const event = run.fold.event(number);
        return event === undefined ? null : (
          <li key={number}>
            <Moment run={run} number={number} /> {event.type}
            <span class="muted"> {remarkOf(event)}</span>
          </li>
        );
      })}
    </ol>
  );
}

function Moment({ run, number }: { readonly run: OpenRun; readonly number: number }): JSX.Element {
  const at = run.fold.event(number)?.at ?? 0;
  return (
    <button
      class="link moment"
      title={`${number} · ${clockText(at, true)}`}
      onClick={() => {
        act({ type: 'show', change: { at: number } });
      }}
    >
      +{spanText(at - run.fold.range()[0])}
    </button>
  );
}

/** What an event says besides its type, in short. */
export function remarkOf(event: RunEvent): string {
  switch (event.type) {
    case 'step.started':
      return event.attempt > 1 ? t('attempt', { n: event.attempt }) : '';
    case 'step.retrying':
    case 'step.failed':
    case 'run.failed':
      return `${event.error.name}: ${briefly(event.error.message, 120)}`;
    case 'step.completed':
    case 'run.completed':
      return spanText(event.duration * 1_000);
    case 'step.emitted':
      return briefly(event.value, 120);
    case 'step.logged':
      return `${event.level} ${briefly(event.message, 120)}`;
    case 'step.skipped':
      return event.reason;
    case 'step.suspended':
      return briefly(event.request, 120);
    case 'step.answered':
      return `${event.by} ${briefly(event.value ?? '', 120)}`;
    case 'run.resumed':
      return t('lifeN', { n: event.life });
    case 'run.cancelled':
    case 'run.suspended':
      return event.reason ?? '';
    default:
      return '';
  }
}

function Actions({ path, row }: { readonly path: string; readonly row: StepResult }): JSX.Element {
  return (
    <footer class="actions">
      {row.status === 'SUSPENDED' && row.asking !== undefined ? (
        <button
          class="main"
          onClick={() => {
            act({ type: 'dialog', dialog: { kind: 'answer', path } });
          }}
        >
          {t('answer')} <kbd>x</kbd>
        </button>
      ) : null}
      <button
        onClick={() => {
          act({ type: 'dialog', dialog: { kind: 'rerun', path } });
        }}
      >
        {t('rerunFromHere')} <kbd>r</kbd>
      </button>
    </footer>
  );
}
