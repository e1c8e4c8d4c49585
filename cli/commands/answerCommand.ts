import type { Definition } from '../../lib/definition/definition';
import { definitionAt } from '../../lib/definition/definitionAt';
import type { Agent } from '../../lib/model/agentType';
import type { StepResult } from '../../lib/model/stepResult';
import { columns, printable } from '../../lib/report/columns';
import type { RunSummary, Store } from '../../lib/store/store';
import type { AnswerReceipt } from '../../operators/runs/answer';
import { answer } from '../../operators/runs/answer';
import { agentsOf } from '../agentFiles';
import { answerShape, anyAnswer, asksForTool, answerSchemaOf } from '../answerShape';
import { usageError } from '../commandError';
import type { CommandContext } from '../context';
import { fileBytes, commandLine, durationOf, jsonOf, textOf, withStore } from '../context';
import { exitCodes, exitOfRun } from '../exitCodes';
import { paint } from '../view/output';
import type { Words } from '../view/words';
import { wordsOf } from '../view/words';
import { isLeftBehind, untilRest } from '../resting';
import { runNamed } from '../runNames';
import type { Settings } from '../settings';
import { namesAgents } from '../settings';

/** Answers a question that a run waits at. */
export async function answerCommand(context: CommandContext): Promise<number> {
  const { args, options } = context;
  const waitMs = durationOf(options['wait'], '--wait');
  return withStore(
    context,
    async (store, settings) => {
      const run = await runNamed(store, String(args[0]));
      const path = pathOf(run, typedPath(context));
      const form = await formOf(run, path, settings);
      const value = await valueOf(context, { store, run, path, form, settings });
      const asking = run.waiting.find((question) => question.path === path)?.asking;
      const { agent } = form;
      const receipt = await answer(run.runId, path, value, {
        store,
        ...(asking !== undefined && asking !== '' && { asking }),
        ...(agent !== undefined && { agent }),
      });
      const isUnderWay = run.status === 'RUNNING' && !(await isLeftBehind(store, run));
      const isHeard = receipt.isServed || receipt.became === 'taken' || isUnderWay;
      const resume = commandLine(settings, 'resume', [run.runId], { needsAgents: true });
      tellReceipt(context, { run, path, receipt, form, next: isHeard ? undefined : resume });
      if (waitMs === undefined) return exitCodes.done;
      const logs = commandLine(settings, 'logs', [run.runId], { options: ['--level', 'warning'] });
      const next = isHeard
        ? `${logs} tells whether the answer did not fit`
        : `nobody carries it on: ${resume}`;
      return exitOfRun(await untilRest(store, { before: run, path, next }, waitMs, context));
    },
    { needsAgents: true },
  );
}

/** What is known here of the form of an answer. */
interface AnswerForm {
  /** The agent of the run; undefined where it is not known here. */
  readonly agent: Agent<never, unknown> | undefined;
  /** The definition of the step; undefined where the agent is not known, or can have no such step. */
  readonly definition: Definition | undefined;
  /** Why the answer cannot be checked here; undefined where it is. */
  readonly unknown: ((words: Words) => string) | undefined;
}

async function formOf({ name }: RunSummary, path: string, settings: Settings): Promise<AnswerForm> {
  const isKnown = namesAgents(settings);
  const agents = isKnown ? await agentsOf(settings, 'check the answer') : undefined;
  const agent = agents?.get(name)?.agent;
  if (agent === undefined) {
    const unknown = (words: Words): string =>
      isKnown ? words.noAgentNamed(printable(name)) : words.noAgentsKnown;
    return { agent, definition: undefined, unknown };
  }
  const definition = definitionAt(agent, path);
  return definition === 'unknown'
    ? { agent, definition: undefined, unknown: ({ asksAsItRuns }) => asksAsItRuns }
    : { agent, definition, unknown: undefined };
}

/** What has become of an answer, as it is told. */
interface Told {
  readonly run: RunSummary;
  readonly path: string;
  readonly receipt: AnswerReceipt;
  readonly form: AnswerForm;
  /** What to type to go on; undefined where somebody goes on by himself. */
  readonly next: string | undefined;
}

function tellReceipt({ output }: CommandContext, { run, path, receipt, form, next }: Told): void {
  const { words } = output;
  const isTaken = receipt.became === 'taken';
  // A step has only taken what fits.
  const isChecked = form.unknown === undefined || isTaken;
  if (output.isJson) {
    output.json({ runId: run.runId, path, ...receipt, isChecked, ...(next !== undefined && { next }) });
    return;
  }
  const kept = receipt.isServed ? words.answerHeard : words.answerOnItsWay;
  const became = isTaken ? words.answerTaken : next === undefined ? kept : words.nobodyServes;
  output.print(`${paint('✔', 'green', output)} ${words.answered(printable(path), isChecked, became)}`);
  if (!isChecked) output.print(`${paint('!', 'yellow', output)} ${words.mayNotFit(form.unknown(words))}`);
  const rows = [
    ...(isChecked || form.agent !== undefined ? [] : [[words.toCheck, words.nameAgents]]),
    ...(next === undefined ? [] : [[words.goOn, next]]),
  ];
  if (rows.length > 0) output.print(columns(rows).join('\n'));
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

/** Which question is answered, and what is known of it. */
interface Question {
  readonly store: Store;
  readonly run: RunSummary;
  readonly path: string;
  readonly form: AnswerForm;
  readonly settings: Settings;
}

async function valueOf({ args, options }: CommandContext, question: Question): Promise<unknown> {
  const json = textOf(args[2]) ?? (isGivenElsewhere(options) ? undefined : textOf(args[1]));
  const file = textOf(options['file']);
  const isApproved = options['approve'] === true;
  const isRejected = options['reject'] === true;
  if ([json !== undefined, file !== undefined, isApproved, isRejected].filter(Boolean).length !== 1)
    throw usageError(
      'Cannot tell what the answer is',
      `give it as JSON${await shapeFor(question)}, with --file, or as --approve or --reject`,
    );
  if (json !== undefined) return jsonOf(json, 'the answer');
  if (file !== undefined) {
    const bytes = fileBytes(
      file === '-' ? 0 : file,
      'the answer',
      'name a file with JSON in it, or - for standard input',
    );
    return jsonOf(bytes.toString(), 'the answer');
  }
  return decision(question, isApproved);
}

/** How the JSON looks, where that is known here. */
async function shapeFor(question: Question): Promise<string> {
  const shape = answerShape(await rowOf(question), question.form.definition);
  return shape === anyAnswer ? '' : ` that looks like ${shape}`;
}

/** Yes or no in the form that the approval wants. @throws CommandError USAGE where that is not known here, or has neither. */
async function decision(question: Question, isApproved: boolean): Promise<unknown> {
  const { path, form } = question;
  if (form.unknown !== undefined) {
    const row = await rowOf(question);
    if (row !== undefined && asksForTool(row)) return { approved: isApproved };
    throw noForm(question, form.unknown(wordsOf('en')));
  }
  const { definition } = form;
  // Then nobody waits there, which answer() says.
  if (definition?.kind !== 'approval' || definition.answers === undefined) return isApproved;
  const schema = answerSchemaOf(definition.answers);
  if (schema === undefined) throw noForm(question, 'no JSON Schema describes its answer');
  if (schema.type === 'boolean') return isApproved;
  const flags = Object.entries(schema.properties ?? {}).filter(([, { type }]) => type === 'boolean');
  const [flag] = flags;
  if (flag !== undefined && flags.length === 1) return { [flag[0]]: isApproved };
  throw usageError(
    `Cannot approve or reject step "${path}": its answer is not a yes or no`,
    `give it as JSON: ${JSON.stringify(schema)}`,
  );
}

async function rowOf({ store, run, path }: Question): Promise<StepResult | undefined> {
  return (await store.loadRun(run.runId))?.steps.get(path);
}

function noForm({ run, path, form, settings }: Question, why: string): Error {
  const agents = form.agent === undefined ? 'its agents with --agents <file>, or ' : '';
  const typed = commandLine(settings, 'answer', [run.runId, path, '<json>']);
  return usageError(
    `Cannot tell how step "${path}" of run "${run.runId}" is approved or rejected: ${why}`,
    `give ${agents}the answer itself: ${typed}, such as true or '{"ok":true}'`,
  );
}
