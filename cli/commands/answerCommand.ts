import { readFileSync } from 'node:fs';

import { jsonSchemaOf } from '../../lib/codec/jsonSchema';
import { definitionAt } from '../../lib/definition/definitionAt';
import { printable } from '../../lib/report/columns';
import type { RunSummary } from '../../lib/store/store';
import type { AnswerReceipt } from '../../operators/runs/answer';
import { answer } from '../../operators/runs/answer';
import type { AgentsByName } from '../agentFiles';
import { agentsOf } from '../agentFiles';
import { usageError } from '../commandError';
import type { CommandContext } from '../context';
import { commandLine, durationOf, jsonOf, textOf, withStore } from '../context';
import { exitCodes, exitOfRun } from '../exitCodes';
import { paint } from '../view/output';
import { untilRest } from '../resting';
import { runNamed } from '../runNames';

/** Answers a question that a run waits at. */
export async function answerCommand(context: CommandContext): Promise<number> {
  const { args, options } = context;
  const waitMs = durationOf(options['wait'], '--wait');
  return withStore(context, async (store, settings) => {
    const run = await runNamed(store, String(args[0]));
    const path = pathOf(run, typedPath(context));
    const isKnown = settings.agentFiles.length + settings.agents.length > 0;
    const agents = isKnown ? await agentsOf(settings, 'check the answer') : undefined;
    const agent = agents?.get(run.name)?.agent;
    const value = valueOf(context, run, path, agents);
    const asking = run.waiting.find((question) => question.path === path)?.asking;
    const receipt = await answer(run.runId, path, value, {
      store,
      ...(asking !== undefined && asking !== '' && { asking }),
      ...(agent !== undefined && { agent }),
    });
    const isHeard = receipt.isServed || receipt.became === 'taken';
    const next = isHeard ? undefined : commandLine(settings, ['resume', run.runId], { needsAgents: true });
    tellReceipt(context, run, path, receipt, next);
    if (waitMs === undefined) return exitCodes.done;
    return exitOfRun(await untilRest(store, { before: run, path }, waitMs, context));
  });
}

function tellReceipt(
  { output }: CommandContext,
  { runId }: RunSummary,
  path: string,
  receipt: AnswerReceipt,
  next: string | undefined,
): void {
  const { words } = output;
  if (output.isJson) {
    output.json({ runId, path, ...receipt, ...(next !== undefined && { next }) });
    return;
  }
  const became =
    receipt.became === 'taken'
      ? words.answerTaken
      : next === undefined
        ? words.answerHeard
        : words.nobodyServes;
  output.print(`${paint('✔', 'green', output)} ${words.answered} ${printable(path)}; ${became}`);
  if (next !== undefined) output.print(`${words.goOn}  ${next}`);
}

/** `answer <run> <json>` answers the only question; what follows the run is a path where the answer is given in another way. */
function typedPath({ args, options }: CommandContext): string | undefined {
  return args[2] === undefined && !isGivenElsewhere(options) ? undefined : textOf(args[1]);
}

function isGivenElsewhere({ approve, reject, file }: CommandContext['options']): boolean {
  return approve === true || reject === true || file !== undefined;
}

/** The step that is meant: the only one that waits when none is named. @throws CommandError USAGE */
function pathOf({ waiting, runId }: RunSummary, typed: string | undefined): string {
  if (typed !== undefined) return typed;
  const [only, ...others] = waiting;
  if (only !== undefined && others.length === 0) return only.path;
  throw usageError(
    `Cannot tell which step of run "${runId}" is answered: ${waiting.length === 0 ? 'none waits' : `${waiting.map(({ path }) => path).join(', ')} wait`}`,
    'name the path of the step',
  );
}

function valueOf(
  { args, options }: CommandContext,
  run: RunSummary,
  path: string,
  agents: AgentsByName | undefined,
): unknown {
  const json = textOf(args[2]) ?? (isGivenElsewhere(options) ? undefined : textOf(args[1]));
  const file = textOf(options['file']);
  const isApproved = options['approve'] === true;
  const isRejected = options['reject'] === true;
  if ([json !== undefined, file !== undefined, isApproved, isRejected].filter(Boolean).length !== 1)
    throw usageError(
      'Cannot tell what the answer is',
      `give it as JSON, with --file, or as --approve or --reject`,
    );
  if (json !== undefined) return jsonOf(json, 'the answer');
  if (file !== undefined) return jsonOf(readFileSync(file === '-' ? 0 : file, 'utf8'), 'the answer');
  return decision(run, path, agents, isApproved);
}

/** Yes or no in the form that the approval wants: `{ ok }` where that is not known. */
function decision(
  run: RunSummary,
  path: string,
  agents: AgentsByName | undefined,
  isApproved: boolean,
): unknown {
  const agent = agents?.get(run.name)?.agent;
  const definition = agent && definitionAt(agent, path);
  if (
    definition === undefined ||
    definition === 'unknown' ||
    definition.kind !== 'approval' ||
    definition.answers === undefined
  )
    return { ok: isApproved };
  const schema = jsonSchemaOf(definition.answers) as {
    readonly type?: unknown;
    readonly properties?: Readonly<Record<string, { readonly type?: unknown }>>;
  };
  if (schema.type === 'boolean') return isApproved;
  const flags = Object.entries(schema.properties ?? {}).filter(([, { type }]) => type === 'boolean');
  const [flag] = flags;
  if (flag !== undefined && flags.length === 1) return { [flag[0]]: isApproved };
  throw usageError(
    `Cannot approve or reject step "${path}": its answer is not a yes or no`,
    `give it as JSON: ${JSON.stringify(schema)}`,
  );
}
