import type { MonoTypeOperatorFunction, Observable } from 'rxjs';
import { catchError, EMPTY, lastValueFrom, tap, throwError } from 'rxjs';

import { RunError } from '../lib/errors/runErrors';
import { StoreLockedError, StoreNotServedError } from '../lib/errors/storageErrors';
import type { StepLogged, Transition } from '../lib/model/event';
import { isEnd } from '../lib/model/event';
import { columns, printable } from '../lib/report/columns';
import { shortId } from '../lib/report/runPicture';
import { summaryOf } from '../lib/store/summary';
import type { RunSummary, Store } from '../lib/store/store';
import { progress } from '../operators/taps/progress';
import { resume } from '../operators/runs/resume';
import type { AgentsByName } from './agentFiles';
import { agentNamed, agentsOf } from './agentFiles';
import { CommandError, usageError } from './commandError';
import type { CommandContext } from './context';
import { textOf } from './context';
import { exitOfRun } from './exitCodes';
import { goOnRows, wentBackText } from './goOnCommands';
import { eventText } from './view/eventText';
import { hasPicture, ownWarning, watchRun } from './view/following';
import type { Output } from './view/output';
import { paint } from './view/output';
import type { Settings } from './settings';
import { namesAgents } from './settings';

/** Who goes on with runs: whoever serves them already, or this process with these agents. */
export type Carrier =
  | { readonly kind: 'served' }
  | { readonly kind: 'here'; readonly agents: AgentsByName; readonly onMismatch?: 'refuse' | 'actual' };

/**
 * Who can go on with a run. Decided before anything is changed.
 *
 * @throws CommandError AGENTS_NEEDED when nobody serves and no agents are known; USAGE for options that do not reach whoever serves.
 * @throws StoreNotServedError when another process has the store and serves nothing.
 */
export async function carrierOf(
  { options }: CommandContext,
  store: Store,
  settings: Settings,
  action: string,
): Promise<Carrier> {
  const onMismatch = mismatchOf(options['onMismatch']);
  if (await store.isServed()) {
    if (onMismatch === 'actual') throw outOfReach('--on-mismatch actual', action);
    if (options['recordInputs'] === true) throw outOfReach('--record-inputs', action);
    return { kind: 'served' };
  }
  if (!namesAgents(settings)) await refuseLocked(store);
  return {
    kind: 'here',
    agents: await agentsOf(settings, action),
    ...(onMismatch !== undefined && { onMismatch }),
  };
}

function outOfReach(flag: string, action: string): CommandError {
  return usageError(
    `Cannot ${action} with ${flag}: a process serves the store and does it, as its program says`,
    'leave the option out, or end that process',
  );
}

/** Where another process has the store, agents would not help: that is what must be said. */
async function refuseLocked(store: Store): Promise<void> {
  try {
    await lastValueFrom(store.request({ kind: 'resume', runId: 'nobody' }), { defaultValue: undefined });
  } catch (error) {
    if (error instanceof StoreLockedError) throw error;
    if (error instanceof StoreNotServedError && error.pid !== undefined) throw error;
  }
}

/** Goes on with a run, shows it meanwhile, and tells how it stands at the end. Gives the exit code of the run. */
export async function carryOn(
  context: CommandContext,
  where: Carried,
  run: Pick<RunSummary, 'runId' | 'name'>,
  carrier: Carrier,
): Promise<number> {
  const { signal } = context;
  const { store } = where;
  if (carrier.kind === 'served') return asked(context, where, run.runId);
  const { agents, onMismatch } = carrier;
  const agent = agentNamed(agents, run.name);
  return carriedHere(
    resume(agent, run.runId, { store, signal, ...(onMismatch !== undefined && { onMismatch }) }),
    where,
    run.runId,
    context,
  );
}

/** Where a run is carried on. */
export interface Carried {
  readonly store: Store;
  readonly settings: Settings;
}

/** Carries a run out in this process. Gives its exit code. */
export async function carriedHere(
  transitions: Observable<Transition>,
  where: Carried,
  runId: string,
  { output }: Pick<CommandContext, 'output'>,
): Promise<number> {
  const warnings: StepLogged[] = [];
  await lastValueFrom(
    transitions.pipe(
      hasPicture(output) ? progress(process.stderr) : lineByLine(where.settings, output),
      tap((transition) => {
        const warning = ownWarning(transition);
        if (warning !== undefined) warnings.push(warning);
      }),
      // How it failed is in its state.
      catchError((error: unknown) => (error instanceof RunError ? EMPTY : throwError(() => error as Error))),
    ),
    { defaultValue: undefined },
  );
  // Not before: on a terminal the picture would paint over them.
  for (const { path, message } of warnings)
    output.tell(
      `${paint('!', 'yellow', output)} ${path === '' ? '' : `${printable(path)}  `}${printable(message)}`,
    );
  return tellEnd(where, runId, output);
}

/** As `progress()` shows a run where no terminal is, in the language that was asked for. */
function lineByLine(settings: Settings, output: Output): MonoTypeOperatorFunction<Transition> {
  return tap((transition) => {
    const { event } = transition;
    const text = eventText(event, output);
    if (text === undefined) return;
    const name = event.type === 'run.started' ? event.name : transition.state.name;
    const path = 'path' in event && event.path !== '' ? `  ${printable(event.path)}` : '';
    output.tell(`${printable(name)} ${shortId(event.runId)}${path}  ${printable(text)}`);
    if (!isEnd(event) || wentBackText(transition.state, output) !== undefined) return;
    const next = columns(goOnRows(transition.state, settings, output));
    if (next.length > 0) output.tell(next.join('\n'));
  });
}

/** Asks whoever serves, and shows the run until it rests. */
async function asked({ output, signal }: CommandContext, where: Carried, runId: string): Promise<number> {
  const { store } = where;
  const known = await lastOffset(store, runId);
  const done = lastValueFrom(store.request({ kind: 'resume', runId }), { defaultValue: undefined });
  if (!output.isJson) output.tell(output.words.asked(runId));
  const left = new Promise<undefined>((resolve) => {
    signal.addEventListener(
      'abort',
      () => {
        resolve(undefined);
      },
      { once: true },
    );
  });
  await Promise.race([done, left]);
  if (!output.isJson && !signal.aborted)
    await watchRun(
      store,
      runId,
      { since: known, signal },
      { ...output, isTerminal: false, print: output.tell },
    );
  return tellEnd(where, runId, output);
}

async function lastOffset(store: Store, runId: string): Promise<number> {
  const state = await store.loadRun(runId);
  if (state === undefined || state.status === 'RUNNING') return 0;
  try {
    return (await lastValueFrom(store.events(runId), { defaultValue: undefined }))?.offset ?? 0;
  } catch {
    // None are kept: then there is nothing to show either.
    return 0;
  }
}

/** With `--json` the summary of the run; for people its output, where it has one. What to do with one that has gone back is said beside. */
export async function tellEnd({ store, settings }: Carried, runId: string, output: Output): Promise<number> {
  const state = await store.loadRun(runId);
  if (state === undefined)
    throw new CommandError(
      'TIMED_OUT',
      `Cannot find run "${runId}" any more`,
      'millrace list names those that are there',
    );
  const { status, output: given } = state;
  if (output.isJson) output.json({ ...summaryOf(state), ...(status === 'COMPLETED' && { output: given }) });
  else if (status === 'COMPLETED' && given !== undefined) output.print(JSON.stringify(given, null, 2));
  const wentBack = wentBackText(state, output);
  if (wentBack !== undefined)
    output.tell(
      [`${paint('!', 'yellow', output)} ${wentBack}`, ...columns(goOnRows(state, settings, output))].join(
        '\n',
      ),
    );
  return exitOfRun(state);
}

function mismatchOf(value: unknown): 'refuse' | 'actual' | undefined {
  const typed = textOf(value);
  if (typed === undefined || typed === 'refuse' || typed === 'actual') return typed;
  throw usageError(`Cannot take --on-mismatch ${typed}`, 'give refuse or actual');
}
