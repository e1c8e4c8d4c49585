import type { JsonSchema } from '../../lib/codec/jsonSchema';
import type { AgentPolicy } from '../../lib/model/agentType';
import { MillraceError, NonRetryableError } from '../../lib/model/failure';
import type { ToolCall } from '../../lib/definition/languageModel';
import { agent } from '../../operators/agents/agent';
import { madeWith } from '../../operators/agents/withPolicy';
import type { Tool } from './toolLoop';
import { tool } from './toolLoop';

/** What is used of a client of `@modelcontextprotocol/sdk`. */
export interface McpClient {
  /** Lists the tools of the server. */
  listTools(params?: never, options?: never): Promise<unknown>;
  /** Calls one. */
  callTool(params: never, resultSchema?: never, options?: never): Promise<unknown>;
}

/** Which tools of a server are taken, and how they are carried out. */
export interface McpOptions extends AgentPolicy<unknown> {
  /** Names of the tools; all of the server when left out. */
  readonly only?: readonly string[];
  /** Whether a person has to agree to a call. */
  readonly approve?: (call: ToolCall) => boolean;
}

interface McpTool {
  readonly name: string;
  readonly description?: string;
  readonly inputSchema: JsonSchema;
}

interface McpResult {
  readonly isError?: boolean;
  readonly structuredContent?: unknown;
  readonly content?: readonly { readonly type: string; readonly text?: string }[];
}

/**
 * The tools of an MCP server, for `toolLoop`, and each as an agent of its own: `tools.find(({ agent }) => agent.name === 'search')`.
 *
 * A result that the server marks as an error is a failure of the step. Leaving a run tells the server that the call is cancelled.
 *
 * @throws NonRetryableError when `only` names a tool that the server does not have.
 */
export async function toolsFromMcp(client: McpClient, options: McpOptions = {}): Promise<readonly Tool[]> {
  const { only, approve, ...policy } = options;
  const all = await toolsOf(client);
  const missing = only?.find((name) => !all.some((one) => one.name === name));
  if (missing !== undefined) {
    const names = all.map(({ name }) => name).join(', ');
    throw new NonRetryableError(
      `Cannot take tool "${missing}" of the MCP server: it has ${names}; correct the name`,
    );
  }
  return all
    .filter(({ name }) => only === undefined || only.includes(name))
    .map(({ name, description = name, inputSchema }) => {
      const called = agent(
        name,
        async (args: unknown, { signal }) => {
          const params = { name, arguments: args };
          const request = { signal, ...(policy.timeoutMs !== undefined && { timeout: LONGEST_MS }) };
          return outputOf(
            name,
            (await client.callTool(params as never, undefined, request as never)) as McpResult,
          );
        },
        policy,
      );
      // The client does not say which server it talks to.
      const call = madeWith(called, null);
      return tool(call, { description, parameters: inputSchema, ...(approve !== undefined && { approve }) });
    });
}

/** The client gives up after a minute by itself; with `timeoutMs` that one counts. A timer cannot be set for longer. */
const LONGEST_MS = 2 ** 31 - 1;

/** All pages of them. A page that leads to an earlier one, or nowhere, is the last. */
async function toolsOf(client: McpClient): Promise<readonly McpTool[]> {
  const all: McpTool[] = [];
  const asked = new Set<string>();
  let cursor: string | undefined;
  do {
    const page = (await client.listTools((cursor === undefined ? {} : { cursor }) as never)) as {
      readonly tools: readonly McpTool[];
      readonly nextCursor?: string | null;
    };
    all.push(...page.tools);
    cursor = page.nextCursor ?? '';
    if (asked.has(cursor)) break;
    asked.add(cursor);
  } while (cursor !== '');
  return all;
}

/** Data where the server gives some, its text where that is all, otherwise the content as it came. */
function outputOf(name: string, { isError, structuredContent, content = [] }: McpResult): unknown {
  const isText = content.every(({ type }) => type === 'text');
  const text = content.map((part) => part.text ?? `[${part.type}]`).join('\n');
  if (isError === true) throw new McpToolError(name, text);
  if (structuredContent !== undefined) return structuredContent;
  return isText ? text : content;
}

/** A tool of an MCP server says that it has failed. */
export class McpToolError extends MillraceError {
  override readonly name = 'McpToolError';
  readonly code = 'MCP_TOOL';

  constructor(toolName: string, text: string) {
    super(`MCP tool "${toolName}" failed: ${text}`, 'look at what it says', { tellsNext: false });
  }
}
