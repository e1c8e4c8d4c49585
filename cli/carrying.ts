import type { Observable } from 'rxjs';
import { catchError, EMPTY, lastValueFrom, throwError } from 'rxjs';

import { RunError } from '../lib/errors/runErrors';
import { StoreLockedError, StoreNotServedError } from '../lib/errors/storageErrors';
import type { Transition } from '../lib/model/event';
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
import { watchRun } from './view/following';
import type { Output } from './view/output';
import type { Settings } from './settings';

/** Who goes on with runs: whoever serves them already, or this process with these agents. */
export type Carrier = { readonly kind: 'served' } | { readonly kind: 'here'; readonly agents: AgentsByName };

/**
 * Who can go on with a run. Decided before anything is changed.
 *
 * @throws CommandError AGENTS_NEEDED when nobody serves and no agents are known.
 * @throws StoreNotServedError when another process has the store and serves nothing.
 */
export async function carrierOf(store: Store, settings: Settings, action: string): Promise<Carrier> {
  if (await store.isServed()) return { kind: 'served' };
  const isKnown = settings.agentFiles.length + settings.agents.length > 0;
  if (!isKnown) await refuseLocked(store);
  return { kind: 'here', agents: await agentsOf(settings, action) };
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
  store: Store,
  run: Pick<RunSummary, 'runId' | 'name'>,
  carrier: Carrier,
): Promise<number> {
  const { options, output, signal } = context;
  if (carrier.kind === 'served') return asked(context, store, run.runId);
  const agent = agentNamed(carrier.agents, run.name);
  const onMismatch = mismatchOf(options['onMismatch']);
  return carriedHere(
    resume(agent, run.runId, { store, signal, ...(onMismatch !== undefined && { onMismatch }) }),
    store,
    run.runId,
    output,
  );
}

/** Carries a run out in this process. Gives its exit code. */
export async function carriedHere(
  transitions: Observable<Transition>,
  store: Store,
  runId: string,
  output: Output,
): Promise<number> {
  await lastValueFrom(
    transitions.pipe(
      progress(process.stderr),
      // How it failed is in its state.
      catchError((error: unknown) => (error instanceof RunError ? EMPTY : throwError(() => error as Error))),
    ),
    { defaultValue: undefined },
  );
  return tellEnd(store, runId, output);
}

/** Asks whoever serves, and shows the run until it rests. */
async function asked({ output, signal }: CommandContext, store: Store, runId: string): Promise<number> {
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
  return tellEnd(store, runId, output);
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

/** With `--json` the summary of the run; for people its output, where it has one. */
export async function tellEnd(store: Store, runId: string, output: Output): Promise<number> {
  const state = await store.loadRun(runId);
  if (state === undefined)
    throw new CommandError('TIMED_OUT', `Cannot find run "${runId}" any more`, 'millrace list');
  const { status, output: given } = state;
  if (output.isJson) output.json({ ...summaryOf(state), ...(status === 'COMPLETED' && { output: given }) });
  else if (status === 'COMPLETED' && given !== undefined) output.print(JSON.stringify(given, null, 2));
  return exitOfRun(state);
}

function mismatchOf(value: unknown): 'refuse' | 'actual' | undefined {
  const typed = textOf(value);
  if (typed === undefined || typed === 'refuse' || typed === 'actual') return typed;
  throw usageError(`Cannot take --on-mismatch ${typed}`, 'give refuse or actual');
}
