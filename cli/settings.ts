import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

import { CommandError } from './commandError';

/** Where the runs are, and who carries them out, as typed or configured. */
export interface Settings {
  /** The folder of the store, absolute. */
  readonly store: string;
  /** How it was typed, where it has to be typed again. */
  readonly storeTyped: string | undefined;
  /** Files with agents, absolute. */
  readonly agentFiles: readonly string[];
  /** How they were typed, where they have to be typed again. */
  readonly agentsTyped: readonly string[];
  /** Agents that the configuration holds itself. */
  readonly agents: readonly unknown[];
  /** Keys that an export leaves out besides secrets. */
  readonly redact: readonly string[];
  /** What a command begins with where it has to be typed: `millrace`, or `npx millrace`. */
  readonly program: readonly string[];
}

/** What was typed of them. */
export interface Typed {
  readonly store?: string | undefined;
  readonly agents?: readonly string[] | undefined;
}

/** What a configuration file may say. */
interface ConfigFile {
  readonly store?: string;
  readonly agents?: unknown;
  readonly redact?: readonly string[];
}

const NAMES = ['ts', 'mts', 'js', 'mjs', 'cjs', 'json'].map((extension) => `millrace.config.${extension}`);

/**
 * Where the runs are: `--store`, else MILLRACE_STORE, else the configuration file, else `./state`. Who carries them out: `--agents`,
 * else the configuration file. That is read only where something is missing.
 *
 * @throws CommandError CONFIG_UNREADABLE
 */
export async function settingsOf(
  typed: Typed,
  env: Readonly<Record<string, string | undefined>>,
  folder: string,
  load: (file: string) => Promise<Readonly<Record<string, unknown>>>,
  { needsAgents = false }: { readonly needsAgents?: boolean } = {},
): Promise<Settings> {
  const { agents: agentsTyped = [] } = typed;
  const fromEnv = env['MILLRACE_STORE'] === '' ? undefined : env['MILLRACE_STORE'];
  const store = typed.store ?? fromEnv;
  const isComplete = store !== undefined && (!needsAgents || agentsTyped.length > 0);
  const file = isComplete ? undefined : configFileAbove(folder);
  const config = file === undefined ? {} : await readConfig(file, load);
  const base = file === undefined ? folder : dirname(file);
  const listed = Array.isArray(config.agents) ? (config.agents as readonly unknown[]) : [config.agents];
  return {
    store: store !== undefined ? resolve(folder, store) : resolve(base, config.store ?? './state'),
    storeTyped: typed.store,
    agentFiles:
      agentsTyped.length > 0
        ? agentsTyped.map((each) => resolve(folder, each))
        : listed.filter((each) => typeof each === 'string').map((each) => resolve(base, each)),
    agentsTyped,
    agents:
      agentsTyped.length > 0 ? [] : listed.filter((each) => typeof each !== 'string' && each !== undefined),
    redact: config.redact ?? [],
    program: programTyped(env),
  };
}

/** Whether any agents are typed or configured: otherwise nothing can be asked of them. */
export function namesAgents({ agentFiles, agents }: Pick<Settings, 'agentFiles' | 'agents'>): boolean {
  return agentFiles.length + agents.length > 0;
}

/** What a command begins with: the runner of the package manager that has begun this one, since a shell finds no more than is installed for all. */
export function programTyped(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const [manager = ''] = (env['npm_config_user_agent'] ?? '').split('/');
  return [...(RUNNERS[manager] ?? []), 'millrace'];
}

const RUNNERS: Readonly<Record<string, readonly string[]>> = {
  npm: ['npx'],
  pnpm: ['pnpm', 'exec'],
  yarn: ['yarn'],
  bun: ['bunx'],
};

/** @throws CommandError STORE_NOT_FOUND when there is no folder there, or one of something else: a store would be made in it. */
export function checkStoreFolder({ store }: Pick<Settings, 'store'>): void {
  if (mayBeStore(store)) return;
  throw new CommandError(
    'STORE_NOT_FOUND',
    `Cannot find a store in "${store}"`,
    'name its folder with --store, MILLRACE_STORE or millrace.config.json',
  );
}

/** Whether it is a folder in which a store has made something, or nothing is yet. */
function mayBeStore(folder: string): boolean {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) return false;
  try {
    const names = readdirSync(folder);
    return names.length === 0 || names.some((name) => FIRST_MADE.has(name));
  } catch {
    return true; // The store says why it cannot be read.
  }
}

/** What is there of every store: of one that only queues runs or keeps signals, too. */
const FIRST_MADE: ReadonlySet<string> = new Set([
  'history.json',
  'journal',
  'lock',
  'queue',
  'runs',
  'signals',
]);

function configFileAbove(folder: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const found = NAMES.map((name) => join(at, name)).find((path) => existsSync(path));
    if (found !== undefined) return found;
    if (dirname(at) === at) return undefined;
  }
}

async function readConfig(
  file: string,
  load: (file: string) => Promise<Readonly<Record<string, unknown>>>,
): Promise<ConfigFile> {
  let config: unknown;
  try {
    config = file.endsWith('.json')
      ? (JSON.parse(readFileSync(file, 'utf8')) as unknown)
      : defaultOf(await load(file));
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw unreadable(file, (error as Error).message, error);
  }
  if (typeof config !== 'object' || config === null)
    throw unreadable(file, 'it exports no object as default');
  const { store, redact } = config as ConfigFile;
  if (store !== undefined && (typeof store !== 'string' || store === ''))
    throw unreadable(file, '"store" is no text, or empty');
  if (redact !== undefined && !(Array.isArray(redact) && redact.every((each) => typeof each === 'string')))
    throw unreadable(file, '"redact" is no array of texts');
  return config;
}

/** What a module gives by default; CommonJS that was compiled from ES modules is wrapped twice. */
function defaultOf(module: Readonly<Record<string, unknown>>): unknown {
  const given = module['default'] ?? module;
  const inner = (given as Readonly<Record<string, unknown>> | null)?.['default'];
  return (given as Readonly<Record<string, unknown>> | null)?.['__esModule'] === true ? inner : given;
}

function unreadable(file: string, why: string, cause?: unknown): CommandError {
  return new CommandError(
    'CONFIG_UNREADABLE',
    `Cannot read "${file}": ${why}`,
    "let it export default { store: './state', agents: [...] }",
    { cause },
  );
}
