import { asyncScheduler, lastValueFrom, takeUntil } from 'rxjs';

import { jsonValue } from '../../lib/codec/jsonValue';
import { newRunId } from '../../lib/engine/newRunId';
import type { ForkPreview } from '../../lib/engine/previewFork';
import { previewFork } from '../../lib/engine/previewFork';
import { UnknownRunError } from '../../lib/errors/storageErrors';
import type { Agent } from '../../lib/model/agentType';
import { printable } from '../../lib/report/columns';
import { lowdbStore } from '../../lib/store/folder/lowdbStore';
import { fork } from '../../operators/runs/fork';
import { run } from '../../operators/runs/run';
import { agentNamed } from '../agentFiles';
import type { Carried } from '../carrying';
import { carriedHere, carrierOf, carryOn, tellEnd } from '../carrying';
import type { CommandContext } from '../context';
import { commandLine, jsonOf, settingsFor, textOf, withStore } from '../context';
import { exitCodes } from '../exitCodes';
import { watchRun } from '../view/following';
import type { Output } from '../view/output';
import { paint } from '../view/output';
import { queuedRun } from '../queuedRuns';
import { runNamed, stateNamed } from '../runNames';
import { abortOf } from '../signals';
import { tagsOf } from './listCommand';

/** Goes on with runs where they stopped. Gives the exit code of the first that does not complete. */
export async function resumeCommand(context: CommandContext): Promise<number> {
  const named = context.args[0] as readonly string[];
  return withStore(
    context,
    async (store, settings) => {
      let exit: number = exitCodes.done;
      for (const each of named) {
        const found = await runNamed(store, each);
        const carrier = await carrierOf(context, store, settings, `resume run "${found.runId}"`);
        const one = await carryOn(context, { store, settings }, found, carrier);
        if (exit === exitCodes.done) exit = one;
        if (context.signal.aborted) break;
      }
      return exit;
    },
    { needsAgents: true },
  );
}

/** Makes a new run that reuses what another one has done, and with `--resume` goes on with it. */
export async function forkCommand(context: CommandContext): Promise<number> {
  const { options, output } = context;
  const isResumed = options['resume'] === true;
  return withStore(
    context,
    async (store, settings) => {
      const state = await stateNamed(store, String(context.args[0]));
      const from = textOf(options['from']);
      const input = textOf(options['input']);
      const preview = previewFork(state, from);
      if (options['dryRun'] === true) {
        if (output.isJson) output.json(preview);
        else showPreview(preview, output);
        return exitCodes.done;
      }
      const carrier = isResumed
        ? await carrierOf(context, store, settings, `resume a fork of run "${state.runId}"`)
        : undefined;
      const id = textOf(options['id']);
      const runId = await fork(state.runId, {
        store,
        ...(from !== undefined && { from }),
        ...(input !== undefined && { input: jsonOf(input, 'the input') }),
        ...(id !== undefined && { runId: id }),
      });
      if (carrier !== undefined) {
        if (!output.isJson)
          output.tell(`${paint('✔', 'green', output)} ${output.words.forked} ${printable(runId)}`);
        return carryOn(context, { store, settings }, { runId, name: state.name }, carrier);
      }
      const next = commandLine(settings, 'resume', [runId], { needsAgents: true });
      if (output.isJson) output.json({ runId, ...preview, next });
      else {
        showPreview(preview, output);
        output.print(`${paint('✔', 'green', output)} ${output.words.forkedBeside(printable(runId))}`);
        output.print(`${output.words.goOn}  ${next}`);
      }
      return exitCodes.done;
    },
    { needsAgents: isResumed },
  );
}

/** Tries again what failed: in a new run, or with `--same-run` in the same one. */
export async function retryCommand(context: CommandContext): Promise<number> {
  const { args, options } = context;
  if (options['sameRun'] === true) return resumeCommand({ ...context, args: [[args[0]]] });
  return forkCommand({ ...context, options: { ...options, resume: true } });
}

function showPreview({ again, reused, critical }: ForkPreview, output: Output): void {
  const { words } = output;
  const all = again.length + reused.length;
  const list = (paths: readonly string[]): string => {
    const shown = paths.slice(0, MOST_SHOWN).map((path) => printable(path));
    return [
      ...shown,
      ...(paths.length > MOST_SHOWN ? [words.moreChanges(paths.length - MOST_SHOWN)] : []),
    ].join('  ');
  };
  output.print(`${words.again} (${words.ofAll(again.length, all)}): ${list(again)}`);
  output.print(`${words.reusedSteps} (${words.ofAll(reused.length, all)}): ${list(reused)}`);
  for (const path of critical)
    output.print(paint(`! ${printable(path)} ${words.critical}`, 'yellow', output));
}

const MOST_SHOWN = 12;

/** Runs an agent: here, or by whoever serves the store. */
export async function runCommand(context: CommandContext): Promise<number> {
  const { args, options, output, signal } = context;
  const name = String(args[0]);
  const json = textOf(args[1]);
  const input = json === undefined ? undefined : jsonOf(json, 'the input');
  const runId = textOf(options['id']) ?? newRunId();
  const tags = tagsOf(options['tag']);
  const settings = await settingsFor(context, { needsAgents: true });
  const store = lowdbStore(settings.store);
  const where = { store, settings };
  try {
    const carrier = await carrierOf(context, store, settings, `run "${name}"`);
    if (carrier.kind === 'here') {
      const agent = agentNamed(carrier.agents, name) as unknown as Agent<unknown, unknown>;
      const recordInputs = options['recordInputs'] === true;
      return await carriedHere(
        run(agent, input, { store, runId, signal, recordInputs, ...(tags !== undefined && { tags }) }),
        where,
        runId,
        context,
      );
    }
    const isNew = await store.queue.add(
      {
        runId,
        name,
        priority: 0,
        ...(input !== undefined && { input: jsonValue(input, '') }),
        ...(tags !== undefined && { tags }),
      },
      MOST_QUEUED,
    );
    if (options['watch'] === true) return await watched(where, runId, context);
    const next = commandLine(settings, 'watch', [runId]);
    const { words } = output;
    if (output.isJson) output.json({ runId, became: isNew ? 'queued' : 'known', isServed: true, next });
    else {
      output.print(
        `${paint('✔', 'green', output)} ${printable(runId)}  ${isNew ? words.queued(printable(name)) : words.known}`,
      );
      output.print(`${words.toWatch}  ${next}`);
    }
    return exitCodes.done;
  } finally {
    await store.close();
  }
}

/** As `submit()` has it. */
const MOST_QUEUED = 100_000;

/**
 * Waits until a run of the queue has begun, and shows it until it rests.
 *
 * @throws UnknownRunError when it was taken out of the queue.
 */
async function watched(where: Carried, runId: string, { output, signal }: CommandContext): Promise<number> {
  const { store } = where;
  for (let misses = 0; !signal.aborted && misses < MOST_MISSES;) {
    // Before the runs: one that begins meanwhile is found there.
    const isQueued = (await queuedRun(store, runId)) !== undefined;
    if ((await store.loadRun(runId)) !== undefined) break;
    misses = isQueued ? 0 : misses + 1;
    await new Promise<void>((resolve) => {
      asyncScheduler.schedule(() => {
        resolve();
      }, LOOK_MS);
    });
  }
  if ((await store.loadRun(runId)) === undefined) throw new UnknownRunError(runId);
  if (!output.isJson)
    await watchRun(store, runId, { signal }, { ...output, isTerminal: false, print: output.tell });
  else await lastValueFrom(store.events(runId).pipe(takeUntil(abortOf(signal))), { defaultValue: undefined });
  return tellEnd(where, runId, output);
}

/** So often a run was neither queued nor begun: it is not only on its way from one to the other. */
const MOST_MISSES = 5;
const LOOK_MS = 100;
