import { toMermaid } from '../../lib/definition/toMermaid';
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
  const run = textOf(args[0]);
  const name = textOf(options['agent']);
  const text =
    run !== undefined
      ? await withStore(context, async (store) => {
          const state = await stateNamed(store, run);
          return mermaidOf(state.plan, state);
        })
      : await drawnAgent(context, name);
  if (output.isJson) output.json({ mermaid: text });
  else output.print(text);
  return exitCodes.done;
}

async function drawnAgent(context: CommandContext, name: string | undefined): Promise<string> {
  const agents = await agentsOf(await settingsFor(context, { needsAgents: true }), 'draw an agent');
  const [only] = agents.size === 1 ? [...agents.keys()] : [];
  const chosen = name ?? only;
  if (chosen !== undefined) return toMermaid(agentNamed(agents, chosen));
  throw usageError(
    `Cannot tell which agent is meant: ${[...agents.keys()].join(', ')}`,
    'name a run, or an agent with --agent',
  );
}
