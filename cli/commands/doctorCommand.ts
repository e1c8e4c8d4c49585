import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import type { Definition } from '../../lib/definition/definition';
import { definitionOf, planOf } from '../../lib/definition/definition';
import { idsIn, planDiff } from '../../lib/definition/planDiff';
import { StorageError } from '../../lib/errors/storageErrors';
import { MillraceError } from '../../lib/model/failure';
import { columns, printable } from '../../lib/report/columns';
import type { Agent } from '../../lib/model/agentType';
import { lowdbStore } from '../../lib/store/folder/lowdbStore';
import type { Store } from '../../lib/store/store';
import type { Examination } from '../../lib/store/salvage/examine';
import { examine, ownerOf } from '../../lib/store/salvage/examine';
import type { LeftOut } from '../../lib/store/salvage/leftOut';
import { agentsOf } from '../agentFiles';
import { recordOf } from '../errorReport';
import type { CommandContext } from '../context';
import { settingsFor } from '../context';
import { exitCodes } from '../exitCodes';
import type { Output, Paint } from '../view/output';
import { paint } from '../view/output';
import type { Words } from '../view/words';
import { wordsOf } from '../view/words';
import type { Settings } from '../settings';
import { checkStoreFolder, namesAgents } from '../settings';
import { sizeText } from './fileCommands';

/** One thing that was looked at. */
interface Check {
  readonly name: string;
  readonly result: 'ok' | 'warning' | 'failed';
  /** What was found, in a language. */
  readonly says: (words: Words) => string;
  readonly file?: string;
  readonly offset?: number;
  readonly code?: string;
}

/** Looks at everything that can be wrong with a store. */
export async function doctorCommand(context: CommandContext): Promise<number> {
  const { args, options, output } = context;
  const settings = await settingsFor(context, { store: args[0], needsAgents: true });
  checkStoreFolder(settings);
  const checks: Check[] = [nodeCheck()];
  if (options['fix'] === true) checks.push(await fixed(settings));
  const examined = await examination(settings.store);
  checks.push(...('checks' in examined ? examined.checks : storeChecks(examined)));
  checks.push(await ownerCheck(settings), sizeCheck(settings.store));
  if (!('checks' in examined)) checks.push(...(await agentChecks(settings)));
  // What a program reads is the same wherever it runs.
  if (output.isJson) output.json({ store: settings.store, checks: checks.map(inEnglish) });
  else show(checks, output);
  return exitOf(checks);
}

function inEnglish({ says, ...check }: Check): object {
  const { name, result, ...place } = check;
  return { name, result, says: says(wordsOf('en')), ...place };
}

function exitOf(checks: readonly Check[]): number {
  const failed = checks.filter(({ result }) => result === 'failed');
  if (failed.some(({ name }) => name === 'files' || name === 'format')) return exitCodes.damaged;
  if (failed.some(({ name }) => name === 'agents')) return exitCodes.noAgents;
  return failed.length > 0 ? exitCodes.busy : exitCodes.done;
}

function nodeCheck(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isGood = (major === 20 && minor >= 19) || (major === 22 && minor >= 13) || major >= 24;
  return { name: 'node', result: isGood ? 'ok' : 'failed', says: () => process.version };
}

/** Whoever opens a store for writing removes what others have left, and what nobody will hear. */
async function fixed({ store: folder }: Settings): Promise<Check> {
  const owner = await ownerOf(folder);
  if (owner?.isAlive === true)
    return {
      name: 'fix',
      result: 'failed',
      says: ({ notFixed }) => notFixed(owner.pid, owner.host),
    };
  const store = lowdbStore(folder);
  try {
    await store.prune({ keep: Number.MAX_SAFE_INTEGER });
    return { name: 'fix', result: 'ok', says: ({ leftoversGone }) => leftoversGone };
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return { name: 'fix', result: 'failed', says: () => error.message, code: error.code };
  } finally {
    await store.close();
  }
}

async function examination(folder: string): Promise<Examination | { readonly checks: readonly Check[] }> {
  try {
    return await examine(folder);
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    const { message, code } = recordOf(error);
    if (error instanceof StorageError && error.systemCode === undefined)
      return { checks: [{ name: 'files', result: 'ok', says: ({ noStoreYet }) => noStoreYet }] };
    const name = error instanceof StorageError ? 'access' : 'format';
    return { checks: [{ name, result: 'failed', says: () => message, code }] };
  }
}

function storeChecks({ runs, damage, torn, unheard }: Examination): Check[] {
  const of =
    (result: Check['result'], name: string) =>
    ({ file, offset, reason }: LeftOut): Check => ({ name, result, says: () => reason, file, offset });
  return [
    ...(damage.length === 0
      ? [{ name: 'files', result: 'ok', says: ({ intact }: Words) => intact(runs.length) } as const]
      : []),
    ...damage.map(of('failed', 'files')),
    ...torn.map(of('warning', 'journal')),
    ...unheard.map(of('warning', 'inbox')),
  ];
}

async function ownerCheck({ store }: Settings): Promise<Check> {
  const owner = await ownerOf(store);
  const check = { name: 'owner', result: 'ok' } as const;
  if (owner === undefined) return { ...check, says: ({ nobodyWrites }) => nobodyWrites };
  const { pid, host, isAlive, isServing } = owner;
  return {
    ...check,
    says: ({ hasLeftOpen, writesAndServes, onlyWrites }) =>
      (isAlive ? (isServing ? writesAndServes : onlyWrites) : hasLeftOpen)(pid, host),
  };
}

function sizeCheck(folder: string): Check {
  const parts = readdirSync(folder).map((name): readonly [string, number] => [
    name,
    bytesIn(join(folder, name)),
  ]);
  const all = parts.reduce((sum, [, bytes]) => sum + bytes, 0);
  const largest = parts
    .filter(([, bytes]) => bytes > 0)
    .sort((a, b) => b[1] - a[1])
    .slice(0, 3);
  const sizes = [sizeText(all), ...largest.map(([name, bytes]) => `${name} ${sizeText(bytes)}`)];
  return { name: 'size', result: 'ok', says: () => sizes.join(', ') };
}

function bytesIn(path: string): number {
  if (!existsSync(path)) return 0; // Gone meanwhile.
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path).reduce((sum, name) => sum + bytesIn(join(path, name)), 0);
}

/** Whether the agents load, and fit the runs that could be resumed. */
async function agentChecks(settings: Settings): Promise<Check[]> {
  if (!namesAgents(settings)) return [];
  let agents;
  try {
    agents = await agentsOf(settings, 'check the agents');
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    const { message, code } = recordOf(error);
    return [{ name: 'agents', result: 'failed', says: () => message, code }];
  }
  const names = [...agents.keys()].join(', ');
  const checks: Check[] = [{ name: 'agents', result: 'ok', says: () => names }];
  const store = lowdbStore(settings.store);
  try {
    for (const { runId, name } of await store.listRuns({
      status: ['RUNNING', 'FAILED', 'CANCELLED', 'SUSPENDED'],
    })) {
      const agent = agents.get(name)?.agent;
      const says: Check['says'] | undefined =
        agent === undefined
          ? ({ runHasNoAgent }) => runHasNoAgent(runId, name)
          : await mismatch(store, runId, agent);
      if (says !== undefined) checks.push({ name: 'run', result: 'warning', says });
    }
  } finally {
    await store.close();
  }
  return checks;
}

/** How the definition of a run has changed since; undefined when it has not. */
async function mismatch(
  store: Store,
  runId: string,
  agent: Agent<never, unknown>,
): Promise<Check['says'] | undefined> {
  const state = await store.loadRun(runId);
  const definition = definitionOf(agent) as Definition;
  const diff = state && planDiff(state.plan, planOf(definition, idsIn(definition, state)));
  if (diff === undefined) return undefined;
  const { added, removed, changed, results } = diff;
  return ({ runHasChanged, changesOfPlan }) => {
    const parts = Object.entries({ added, removed, changed, results })
      .filter(([, paths]) => paths.length > 0)
      .map(([kind, paths]) => `${changesOfPlan[kind as keyof typeof changesOfPlan]}: ${paths.join(', ')}`);
    return runHasChanged(runId, parts.join('; '));
  };
}

const looks: Readonly<Record<Check['result'], readonly [string, Paint]>> = {
  ok: ['✔', 'green'],
  warning: ['!', 'yellow'],
  failed: ['✘', 'red'],
};

function show(checks: readonly Check[], output: Output): void {
  const rows = checks.map(({ name, result, says, file, offset }) => [
    paint(looks[result][0], looks[result][1], output),
    name,
    `${file === undefined ? '' : `${printable(file)}  ${output.words.atByte(offset ?? 0)}: `}${printable(says(output.words))}`,
  ]);
  output.print(columns(rows).join('\n'));
}
