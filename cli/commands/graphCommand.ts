import { initialState } from '../../lib/definition/definition';
import { toMermaid } from '../../lib/definition/toMermaid';
import type { Agent } from '../../lib/model/agentType';
import { graphSvg } from '../../inspector/index';
import { agentNamed, agentsOf } from '../agentFiles';
import { usageError } from '../commandError';
import type { CommandContext } from '../context';
import { settingsFor, textOf, withStore } from '../context';
import { exitCodes } from '../exitCodes';
import { mermaidOf } from '../view/planMermaid';
import { stateNamed } from '../runNames';

/** Draws a run, coloured by how it stands, or the definition of an agent. */
export async function graphCommand(context: CommandContext): Promise<number> {
  const { args, options, output } = context;
  const isSvg = options['svg'] === true;
  const text = await drawn(context, textOf(args[0]), isSvg);
  if (output.isJson) output.json(isSvg ? { svg: text } : { mermaid: text });
  else output.print(text);
  return exitCodes.done;
}

async function drawn(context: CommandContext, run: string | undefined, isSvg: boolean): Promise<string> {
  if (run === undefined) {
    const agent = await agentMeant(context);
    return isSvg ? graphSvg(initialState(agent).plan) : toMermaid(agent);
  }
  const state = await withStore(context, (store) => stateNamed(store, run));
  return isSvg ? graphSvg(state.plan, state) : mermaidOf(state.plan, state);
}

async function agentMeant(context: CommandContext): Promise<Agent<never, unknown>> {
  const agents = await agentsOf(await settingsFor(context, { needsAgents: true }), 'draw an agent');
  const [only] = agents.size === 1 ? [...agents.keys()] : [];
  const chosen = textOf(context.options['agent']) ?? only;
  if (chosen !== undefined) return agentNamed(agents, chosen);
  throw usageError(
    `Cannot tell which agent is meant: ${[...agents.keys()].join(', ')}`,
    'name a run, or an agent with --agent',
  );
}
