import { useEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren, JSX } from 'preact';

import type {
  DefinitionCheck,
  ForkBody,
  ForkPreviewReply,
  ForkReply,
  WaitingQuestion,
} from '../../adapters/http/contract';
import { shellText } from '../../lib/report/shellText';
import type { RequestError } from './connection';
import { CopyButton, Value } from './details';
import { agoText, briefly, numberText, pretty, shortRunId, spanText } from './format';
import { keyTable } from './keys';
import type { RunPlace } from './machine';
import { act, view } from './machine';
import type { OpenRun } from './pageState';
import { clock, storeCommand, connection, goToRun, openRun, say, stores } from './pageState';
import { t } from './texts';

/** What stands over the page, if anything does. */
export function OpenDialog(): JSX.Element | null {
  const { dialog } = view.value;
  const run = openRun.value;
  if (dialog === undefined) return null;
  if (dialog.kind === 'keys') return <KeysDialog />;
  if (run === undefined) return null;
  switch (dialog.kind) {
    case 'rerun':
      return <RerunDialog key={dialog.path} run={run} path={dialog.path} />;
    case 'answer':
      return <AnswerDialog run={run} path={dialog.path} />;
    case 'cancel':
      return <CancelDialog run={run} />;
    default:
      return null;
  }
}

/** Closes what stands over the page. */
function closeDialog(): void {
  act({ type: 'dialog', dialog: undefined });
}

function Frame({
  title,
  children,
  buttons,
}: {
  readonly title: ComponentChildren;
  readonly children: ComponentChildren;
  readonly buttons: ComponentChildren;
}): JSX.Element {
  const box = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    box.current?.showModal();
    // Enter does nothing yet but go back.
    box.current?.querySelector<HTMLElement>('footer button')?.focus();
    return () => {
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  return (
    <dialog ref={box} aria-labelledby="dialog-title" onClose={closeDialog}>
      <h2 id="dialog-title">{title}</h2>
      <div class="body">{children}</div>
      <footer>{buttons}</footer>
    </dialog>
  );
}

/** What a rerun repeats and what it takes over, before it does anything. */
function RerunDialog({
  run,
  path,
}: {
  readonly run: OpenRun;
  readonly path: string | undefined;
}): JSX.Element {
  const { place, fold } = run;
  const [edits, setEdits] = useState(false);
  const [text, setText] = useState(() => pretty(fold.head.input ?? null));
  const [isBusy, setBusy] = useState(false);
  const input: Parsed = edits ? parsed(text) : { isJson: true, value: undefined };
  const body: ForkBody = {
    ...(path === undefined ? {} : { from: path }),
    ...(edits && input.isJson ? { input: input.value } : {}),
  };
  const { preview, problem, setProblem } = usePreview(place, body, input, edits ? 250 : 0);
  const isServed = preview?.isServed === true;
  const isReady = preview !== undefined && problem === undefined && !isBusy;
  const go = (resume: boolean): void => {
    setBusy(true);
    connection()
      .fork(place, { ...body, resume })
      .then(
        (reply) => forked(place, reply),
        (error: unknown) => {
          setBusy(false);
          setProblem(error as RequestError);
        },
      );
  };
  return (
    <Frame
      title={
        <>
          {t('rerun')} {fold.head.name} <code>{shortRunId(place.runId)}</code> {t('from')}{' '}
          <code>{path ?? t('whatFailed')}</code>
        </>
      }
      buttons={
        <>
          <button onClick={closeDialog}>{t('cancelDialog')}</button>
          <button class={isServed ? '' : 'main'} disabled={!isReady} onClick={() => go(false)}>
            {t('makeFork')}
          </button>
          <button
            class="main"
            disabled={!isReady || !isServed}
            title={isServed ? '' : t('nobodyServes')}
            onClick={() => go(true)}
          >
            {t('makeForkAndRun')}
          </button>
        </>
      }
    >
      <PreviewLists preview={preview} />
      <InputChoice
        input={fold.head.input}
        edits={edits}
        text={text}
        isBad={problem !== undefined}
        fits={problem === undefined && preview?.inputChecked === true}
        setEdits={setEdits}
        setText={setText}
      />
      <Problem error={problem} />
      {preview === undefined ? null : <DefinitionLine check={preview.definition} />}
      {preview === undefined || isServed ? null : (
        <p class="warn" role="note">
          ⚠ {t('nobodyServes')} <code>{`${storeCommand('resume')} <fork> --agents <file>`}</code>
        </p>
      )}
      <p class="muted">{t('oldRunStays')}</p>
      <Command
        text={forkCommand(place.runId, path, edits && input.isJson ? input.value : undefined, isServed)}
      />
    </Frame>
  );
}

function forked({ store }: RunPlace, { runId, isResumed, error }: ForkReply): void {
  closeDialog();
  goToRun(store, runId);
  if (error !== undefined) say(`${error.message}; ${error.next}`, true);
  else say(t(isResumed ? 'forkRuns' : 'forkMade', { id: shortRunId(runId) }));
}

/** Asks what a fork would do, and asks anew whenever something else is wanted. */
function usePreview(
  place: RunPlace,
  body: ForkBody,
  input: Parsed,
  delayMs: number,
): {
  readonly preview: ForkPreviewReply | undefined;
  readonly problem: Error | undefined;
  readonly setProblem: (error: Error | undefined) => void;
} {
  const [preview, setPreview] = useState<ForkPreviewReply | undefined>(undefined);
  const [problem, setProblem] = useState<Error | undefined>(undefined);
  useEffect(() => {
    if (!input.isJson) {
      setProblem(input.error);
      return undefined;
    }
    let isOld = false;
    const timer = setTimeout(() => {
      connection()
        .preview(place, body)
        .then(
          (reply) => {
            if (isOld) return;
            setPreview(reply);
            setProblem(undefined);
          },
          (error: unknown) => {
            if (!isOld) setProblem(error as Error);
          },
        );
    }, delayMs);
    return () => {
      isOld = true;
      clearTimeout(timer);
    };
  }, [JSON.stringify(body), input.isJson ? '' : input.error.message]);
  return { preview, problem, setProblem };
}

function PreviewLists({ preview }: { readonly preview: ForkPreviewReply | undefined }): JSX.Element | null {
  if (preview === undefined) return null;
  const { again, reused, critical } = preview;
  return (
    <div class="preview">
      <StepList kind="again" title={t('runsAgain')} paths={again} critical={critical} />
      <StepList kind="reused" title={t('reused')} paths={reused} critical={[]} />
      {critical.length === 0 ? null : (
        <p class="warn">⚠ {t('criticalAgain', { paths: critical.join(', ') })}</p>
      )}
    </div>
  );
}

function InputChoice({
  input,
  edits,
  text,
  isBad,
  fits,
  setEdits,
  setText,
}: {
  readonly input: unknown;
  readonly edits: boolean;
  readonly text: string;
  readonly isBad: boolean;
  readonly fits: boolean;
  readonly setEdits: (edits: boolean) => void;
  readonly setText: (text: string) => void;
}): JSX.Element {
  return (
    <fieldset>
      <legend>{t('input')}</legend>
      <label>
        <input type="radio" name="input" checked={!edits} onChange={() => setEdits(false)} /> {t('theSame')}
      </label>
      <label>
        <input type="radio" name="input" checked={edits} onChange={() => setEdits(true)} /> {t('editInput')}
      </label>
      {edits ? (
        <JsonField label={t('input')} text={text} isBad={isBad} setText={setText} />
      ) : (
        <code class="brief">{briefly(input, 120)}</code>
      )}
      {edits && fits ? <p class="good">✔ {t('inputFits')}</p> : null}
    </fieldset>
  );
}

function JsonField({
  label,
  text,
  isBad,
  setText,
}: {
  readonly label: string;
  readonly text: string;
  readonly isBad: boolean;
  readonly setText: (text: string) => void;
}): JSX.Element {
  return (
    <textarea
      aria-label={label}
      aria-invalid={isBad}
      rows={Math.min(14, Math.max(3, text.split('\n').length + 1))}
      spellcheck={false}
      value={text}
      onInput={({ currentTarget }) => setText(currentTarget.value)}
    />
  );
}

function Problem({ error }: { readonly error: Error | undefined }): JSX.Element | null {
  if (error === undefined) return null;
  return (
    <p class="bad" role="alert">
      ✖ {error.message}
    </p>
  );
}

type Parsed =
  { readonly isJson: true; readonly value: unknown } | { readonly isJson: false; readonly error: Error };

function parsed(text: string): Parsed {
  try {
    return { isJson: true, value: JSON.parse(text) as unknown };
  } catch (error) {
    return { isJson: false, error: new Error(t('noJson', { why: (error as Error).message })) };
  }
}

function forkCommand(runId: string, path: string | undefined, input: unknown, resumes: boolean): string {
  const options = [
    ...(path === undefined ? [] : ['--from', path]),
    ...(input === undefined ? [] : ['--input', JSON.stringify(input)]),
    ...(resumes ? ['--resume'] : []),
  ];
  return storeCommand('fork', [runId], shellText(options));
}

function Command({ text }: { readonly text: string }): JSX.Element {
  return (
    <p class="command">
      <span class="muted">{t('asCommand')}</span> <code>{text}</code>{' '}
      <CopyButton text={text} label={t('copy')} />
    </p>
  );
}

function StepList({
  kind,
  title,
  paths,
  critical,
}: {
  readonly kind: string;
  readonly title: string;
  readonly paths: readonly string[];
  readonly critical: readonly string[];
}): JSX.Element {
  const most = 60;
  return (
    <section class={`list ${kind}`} aria-label={title}>
      <h3>
        {title} <b>{numberText(paths.length)}</b>
      </h3>
      <ul>
        {paths.slice(0, most).map((path) => (
          <li key={path} class={critical.includes(path) ? 'warn' : ''}>
            {critical.includes(path) ? '⚠ ' : ''}
            {path}
          </li>
        ))}
        {paths.length > most ? (
          <li class="muted">{t('andMore', { n: numberText(paths.length - most) })}</li>
        ) : null}
      </ul>
    </section>
  );
}

function DefinitionLine({ check }: { readonly check: DefinitionCheck }): JSX.Element {
  switch (check.is) {
    case 'same':
      return <p class="good">✔ {t('definitionSame')}</p>;
    case 'unknown':
      return <p class="warn">⚠ {t('notChecked')}</p>;
    case 'changed': {
      const { added, removed, changed } = check.diff;
      return (
        <details class="warn">
          <summary>⚠ {t('definitionChanged', { n: added.length + removed.length + changed.length })}</summary>
          <ul>
            {added.map((path) => (
              <li key={path}>+ {path}</li>
            ))}
            {removed.map((path) => (
              <li key={path}>− {path}</li>
            ))}
            {changed.map((path) => (
              <li key={path}>~ {path}</li>
            ))}
          </ul>
        </details>
      );
    }
  }
}

/** What a step asks, and how to answer it. */
function AnswerDialog({ run, path }: { readonly run: OpenRun; readonly path: string }): JSX.Element {
  const { fold, place, reply } = run;
  const row = fold.head.steps.get(path);
  const question: WaitingQuestion | undefined = reply.value?.waiting.find((each) => each.path === path);
  const check = reply.value?.definition;
  const request = row?.request ?? question?.request;
  const shape = sampleOf(question?.schema);
  const isYesNo = asksYesOrNo(request, shape);
  const [text, setText] = useState(() => pretty(shape ?? (isYesNo ? { ok: true } : null)));
  const [problem, setProblem] = useState<Error | undefined>(undefined);
  const [isKept, setKept] = useState(false);
  const input = parsed(text);
  const send = (value: unknown): void => {
    const began = performance.now();
    setProblem(undefined);
    connection()
      .answer(place, { path, asking: question?.asking ?? row?.asking ?? '', value })
      .then(({ became, isServed }) => {
        run.refresh();
        if (became === 'taken' || isServed) {
          closeDialog();
          say(t('answerTaken', { path, time: spanText(performance.now() - began) }));
        } else setKept(true);
      }, setProblem);
  };
  return (
    <Frame
      title={
        <>
          ❚❚ {t('answer')} <code>{path}</code>
        </>
      }
      buttons={<AnswerButtons isKept={isKept} isYesNo={isYesNo} input={input} send={send} />}
    >
      <h3>{t('request')}</h3>
      {request === undefined ? (
        <p class="empty">{t('noRequest')}</p>
      ) : (
        <Value run={run} value={request} path={path} of="request" />
      )}
      <Deadline at={question?.dueAt ?? row?.deadline} />
      {isKept ? (
        <p class="warn" role="status">
          ⚠ {t('answerKept')} <code>{storeCommand('resume', [place.runId], '--agents <file>')}</code>
        </p>
      ) : (
        <>
          <h3>{t('answerAsJson')}</h3>
          <JsonField
            label={t('answerAsJson')}
            text={text}
            isBad={!input.isJson || problem !== undefined}
            setText={setText}
          />
          {check === undefined || check.is === 'same' ? null : <DefinitionLine check={check} />}
        </>
      )}
      <Problem error={input.isJson ? problem : input.error} />
      <Command
        text={storeCommand('answer', [
          place.runId,
          path,
          input.isJson ? JSON.stringify(input.value) : '<json>',
        ])}
      />
    </Frame>
  );
}

function AnswerButtons({
  isKept,
  isYesNo,
  input,
  send,
}: {
  readonly isKept: boolean;
  readonly isYesNo: boolean;
  readonly input: Parsed;
  readonly send: (value: unknown) => void;
}): JSX.Element {
  if (isKept) return <button onClick={closeDialog}>{t('close')}</button>;
  return (
    <>
      <button onClick={closeDialog}>{t('cancelDialog')}</button>
      {isYesNo ? (
        <>
          <button class="danger" onClick={() => send({ ok: false })}>
            {t('reject')}
          </button>
          <button class="main" onClick={() => send({ ok: true })}>
            {t('approve')}
          </button>
        </>
      ) : null}
      <button
        class={isYesNo ? '' : 'main'}
        disabled={!input.isJson}
        onClick={() => {
          if (input.isJson) send(input.value);
        }}
      >
        {t('sendAnswer')}
      </button>
    </>
  );
}

/** Counts down. */
function Deadline({ at }: { readonly at: number | undefined }): JSX.Element | null {
  void clock.value;
  if (at === undefined) return null;
  return (
    <p class="muted">
      {t('deadline')}: {agoText(at)}
    </p>
  );
}

/** Whether the answer is a plain yes or no: what is asked, or what an answer looks like, says so. */
function asksYesOrNo(request: unknown, shape: unknown): boolean {
  const hasOk = (value: unknown): boolean => typeof value === 'object' && value !== null && 'ok' in value;
  if (shape !== undefined) return hasOk(shape) && Object.keys(shape as object).length === 1;
  return hasOk(request);
}

/** A value that a JSON Schema describes, to begin with; undefined where there is none. */
function sampleOf(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null) return undefined;
  const {
    type,
    properties,
    enum: choices,
    items,
    default: usual,
  } = schema as {
    readonly type?: unknown;
    readonly properties?: Readonly<Record<string, unknown>>;
    readonly enum?: readonly unknown[];
    readonly items?: unknown;
    readonly default?: unknown;
  };
  if (usual !== undefined) return usual;
  if (choices !== undefined) return choices[0];
  if (properties !== undefined)
    return Object.fromEntries(Object.entries(properties).map(([key, each]) => [key, sampleOf(each) ?? null]));
  switch (type) {
    case 'boolean':
      return true;
    case 'string':
      return '';
    case 'number':
    case 'integer':
      return 0;
    case 'array':
      return items === undefined ? [] : [sampleOf(items) ?? null];
    case 'object':
      return {};
    default:
      return undefined;
  }
}

function CancelDialog({ run }: { readonly run: OpenRun }): JSX.Element {
  const [reason, setReason] = useState('');
  const [problem, setProblem] = useState<Error | undefined>(undefined);
  const { place, fold } = run;
  const running = fold.root.below.RUNNING;
  const served = stores.value?.stores.find(({ name }) => name === place.store)?.isServed;
  const send = (): void => {
    connection()
      .cancel(place, reason)
      .then(
        ({ isServed }) => {
          closeDialog();
          say(isServed ? t('cancelAsked') : t('nobodyServesCancel'), !isServed);
          run.refresh();
        },
        (error: unknown) => {
          setProblem(error as Error);
        },
      );
  };
  return (
    <Frame
      title={
        <>
          ■ {t('cancelRun')} <code>{shortRunId(place.runId)}</code>
        </>
      }
      buttons={
        <>
          <button onClick={closeDialog}>{t('leaveIt')}</button>
          <button class="danger" onClick={send}>
            {t('cancelRun')}
          </button>
        </>
      }
    >
      <p>{t('cancelWill', { n: numberText(running) })}</p>
      {served === false ? <p class="warn">⚠ {t('nobodyServesCancel')}</p> : null}
      <label class="field">
        {t('reason')} <input value={reason} onInput={({ currentTarget }) => setReason(currentTarget.value)} />
      </label>
      <Problem error={problem} />
      <Command
        text={storeCommand('cancel', [place.runId], reason === '' ? '' : shellText(['--reason', reason]))}
      />
    </Frame>
  );
}

function KeysDialog(): JSX.Element {
  return (
    <Frame title={t('keys')} buttons={<button onClick={closeDialog}>{t('close')}</button>}>
      <table class="keys">
        <tbody>
          {keyTable.map((keys) => (
            <tr key={keys}>
              <th scope="row">
                {keys.split(' ').map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </th>
              <td>{t(keys)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Frame>
  );
}
