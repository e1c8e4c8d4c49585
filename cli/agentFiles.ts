import { readFileSync } from 'node:fs';
import { createRequire, register as registerLoader } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { definitionOf } from '../lib/definition/definition';
import type { Agent } from '../lib/model/agentType';
import { CommandError } from './commandError';
import type { Settings } from './settings';

/** An agent, and where it was found. */
export interface FoundAgent {
  readonly agent: Agent<never, unknown>;
  readonly file: string;
}

/** Agents by their names. */
export type AgentsByName = ReadonlyMap<string, FoundAgent>;

type Module = Readonly<Record<string, unknown>>;

/**
 * All agents that the files export, and those that the configuration holds.
 *
 * @throws CommandError AGENTS_NEEDED when there are none, AGENTS_UNREADABLE when a file cannot be loaded, USAGE when two different agents
 * have one name.
 */
export async function agentsOf({ agentFiles, agents }: Settings, action: string): Promise<AgentsByName> {
  const found = new Map<string, FoundAgent>();
  const take = (value: unknown, file: string): void => {
    if (definitionOf(value) === undefined) return;
    const agent = value as Agent<never, unknown>;
    const known = found.get(agent.name);
    if (known !== undefined && known.agent !== agent)
      throw new CommandError(
        'USAGE',
        `Cannot tell two agents named "${agent.name}" apart: ${known.file} and ${file}`,
        'give one of them another name, or name only one file',
      );
    found.set(agent.name, { agent, file });
  };
  for (const agent of agents) take(agent, 'millrace.config');
  for (const file of agentFiles) for (const value of exportsOf(await loadModule(file))) take(value, file);
  if (found.size > 0) return found;
  throw new CommandError(
    'AGENTS_NEEDED',
    agentFiles.length === 0
      ? `Cannot ${action} without its agents`
      : `Cannot ${action}: ${agentFiles.join(', ')} exports no agent`,
    'name a file that exports them, with --agents ./flows.ts or in millrace.config.json',
  );
}

/** @throws CommandError AGENT_UNKNOWN */
export function agentNamed(agents: AgentsByName, name: string): Agent<never, unknown> {
  const found = agents.get(name);
  if (found !== undefined) return found.agent;
  throw new CommandError(
    'AGENT_UNKNOWN',
    `Cannot find an agent named "${name}"; there are ${[...agents.keys()].map((each) => `"${each}"`).join(', ')}`,
    'name the file that exports it with --agents',
  );
}

function* exportsOf(module: Module): Generator {
  for (const value of Object.values(module)) {
    if (Array.isArray(value)) yield* value as readonly unknown[];
    else yield value;
  }
  // What CommonJS exports is the default of the module, and so are the agents of a whole list.
  const inner = module['default'];
  if (typeof inner === 'object' && inner !== null && !Array.isArray(inner)) yield* Object.values(inner);
}

/**
 * Loads a module of the user's. TypeScript goes through what is there: a loader that runs already, Node itself, else the user's tsx, jiti
 * or ts-node.
 *
 * @throws CommandError AGENTS_UNREADABLE
 */
export async function loadModule(file: string): Promise<Module> {
  try {
    return /\.[mc]?tsx?$/.test(extname(file)) ? await loadTypeScript(file) : await importFile(file);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw new CommandError(
      'AGENTS_UNREADABLE',
      `Cannot load "${file}": ${error instanceof Error ? error.message : String(error)}`,
      'mend the file, or name another one with --agents',
      { cause: error },
    );
  }
}

/** Not `import()` as it stands: what compiles this to CommonJS would make `require()` of it. */
const importFile = (file: string): Promise<Module> => importUrl(pathToFileURL(file).href);

async function importUrl(url: string): Promise<Module> {
  return (await import(url)) as Module;
}

async function loadTypeScript(file: string): Promise<Module> {
  if (hasLoader() || hasNativeTypes()) {
    try {
      return await importFile(file);
    } catch (error) {
      if (!isBeyondNode(error)) throw error;
    }
  }
  for (const load of [byTsx, byJiti, byTsNode]) {
    const loaded = await load(file);
    if (loaded !== undefined) return loaded;
  }
  throw new CommandError(
    'AGENTS_NEEDED',
    `Cannot load "${file}": Node ${process.version} does not read it, and none of jiti, tsx and ts-node is installed`,
    'install one: npm i -D jiti',
  );
}

/** Whether whoever started the process has given it a loader of TypeScript. */
function hasLoader(): boolean {
  const options = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ');
  return /(?:--(?:import|loader|experimental-loader|require)|-r)[= ]\S*(?:tsx|ts-node|jiti|swc|esbuild)/.test(
    options,
  );
}

function hasNativeTypes(): boolean {
  return Boolean((process.features as { readonly typescript?: unknown }).typescript);
}

/** Types that cannot simply be left out, such as an `enum`, and imports without an extension. */
function isBeyondNode(error: unknown): boolean {
  const code = (error as { readonly code?: unknown }).code;
  return (
    code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX' ||
    code === 'ERR_INVALID_TYPESCRIPT_SYNTAX' ||
    code === 'ERR_UNKNOWN_FILE_EXTENSION' ||
    code === 'ERR_MODULE_NOT_FOUND' ||
    code === 'ERR_UNSUPPORTED_DIR_IMPORT' ||
    error instanceof SyntaxError
  );
}

/** The path of a package of the user's: seen from the file, else from where the command is typed. */
function packageOf(name: string, file: string): string | undefined {
  for (const folder of [dirname(file), process.cwd()]) {
    try {
      return createRequire(join(folder, 'noop.js')).resolve(name);
    } catch {
      // Looked for in the next place.
    }
  }
  return undefined;
}

async function byTsx(file: string): Promise<Module | undefined> {
  const folder = packageFolder('tsx', file);
  if (folder === undefined) return undefined;
  // What `require` resolves to looks for its parts in the wrong place when it is imported.
  const { tsImport } = (await started('tsx', file, () =>
    importFile(join(folder, 'dist/esm/api/index.mjs')),
  )) as { readonly tsImport: (file: string, parent: string) => Promise<Module> };
  return tsImport(pathToFileURL(file).href, pathToFileURL(join(dirname(file), 'noop.js')).href);
}

/**
 * Starts a loader of TypeScript. What it throws is no fault of the file: ts-node 10 does not work with TypeScript 7.
 *
 * @throws CommandError AGENTS_UNREADABLE
 */
async function started<T>(loader: string, file: string, start: () => T | Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    const [its, of] = [loader, 'typescript'].map((name) => versionOf(name, file));
    const beside = of === undefined ? '' : ` with TypeScript ${of}`;
    throw new CommandError(
      'AGENTS_UNREADABLE',
      `Cannot load "${file}": its loader ${loader}${its === undefined ? '' : ` ${its}`} does not start${beside}: ${error instanceof Error ? error.message : String(error)}`,
      `the file may be right: ${loader === 'tsx' ? 'install tsx anew, npm i -D tsx@latest' : 'install another loader, npm i -D tsx'}`,
      { cause: error },
    );
  }
}

/** The version of a package of the user's; undefined where it is not there. */
function versionOf(name: string, file: string): string | undefined {
  const path = packageOf(`${name}/package.json`, file);
  if (path === undefined) return undefined;
  return (JSON.parse(readFileSync(path, 'utf8')) as { readonly version?: string }).version;
}

function packageFolder(name: string, file: string): string | undefined {
  const found = packageOf(`${name}/package.json`, file);
  return found && dirname(found);
}

async function byJiti(file: string): Promise<Module | undefined> {
  const path = packageOf('jiti', file);
  if (path === undefined) return undefined;
  const module = await started('jiti', file, () => importFile(path));
  const { createJiti } = (module['createJiti'] === undefined ? module['default'] : module) as {
    readonly createJiti: (parent: string) => { import(file: string): Promise<Module> };
  };
  return createJiti(file).import(file);
}

const TS_NODE = {
  // Its own defaults contradict each other where no tsconfig lies beside the file, and one that does may ask for what Node cannot load.
  module: 'node16',
  moduleResolution: 'node16',
  target: 'es2022',
  esModuleInterop: true,
};

async function byTsNode(file: string): Promise<Module | undefined> {
  const path = packageOf('ts-node', file);
  if (path === undefined) return undefined;
  const require = createRequire(file);
  await started('ts-node', file, () => {
    const { register } = require(path) as { readonly register: (options: object) => unknown };
    register({ transpileOnly: true, skipProject: true, compilerOptions: TS_NODE });
  });
  try {
    return require(file) as Module;
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== 'ERR_REQUIRE_ESM') throw error;
  }
  // An ES module: its loader runs in a thread of its own, and is told so by the environment.
  process.env['TS_NODE_TRANSPILE_ONLY'] = 'true';
  process.env['TS_NODE_SKIP_PROJECT'] = 'true';
  process.env['TS_NODE_COMPILER_OPTIONS'] = JSON.stringify(TS_NODE);
  registerLoader(pathToFileURL(require.resolve('ts-node/esm')).href);
  return importFile(file);
}
