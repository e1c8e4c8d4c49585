import { spawn } from 'node:child_process';
import { basename, resolve } from 'node:path';

import { lastValueFrom } from 'rxjs';

import { printable } from '../../lib/report/columns';
import { lowdbStore } from '../../lib/store/folder/lowdbStore';
import type { Store } from '../../lib/store/store';
import { mergeStates } from '../../lib/metrics/mergeStates';
import type { MetricsStore } from '../../lib/metrics/metricsStore';
import { inspector } from '../../inspector/index';
import { agentsOf } from '../agentFiles';
import { usageError } from '../commandError';
import type { CommandContext } from '../context';
import { countOf, settingsFor, textOf } from '../context';
import { exitCodes } from '../exitCodes';
import { checkStoreFolder, namesAgents } from '../settings';
import { abortOf } from '../signals';
import { measured } from './statsCommand';

/** Shows the runs of one or more stores in a browser, until Ctrl-C. */
export async function inspectCommand(context: CommandContext): Promise<number> {
  const { args, options, output, folder, signal } = context;
  const typed = args[0] as readonly string[];
  const settings = await settingsFor(context, {
    store: typed.find((each) => each === '') ?? typed[0],
    needsAgents: true,
  });
  const folders = typed.length > 1 ? typed.map((each) => resolve(folder, each)) : [settings.store];
  for (const store of folders) checkStoreFolder({ store });
  const agents = namesAgents(settings)
    ? [...(await agentsOf(settings, 'inspect')).values()].map(({ agent }) => agent)
    : [];
  const port = countOf(options['port'], '--port') ?? 0;
  if (port > 65_535) throw usageError(`Cannot listen on port ${port}`, 'give a number up to 65535');
  const host = textOf(options['host']);
  const token = textOf(options['token']);
  const stores = named(folders);
  try {
    const listening = await inspector({
      stores,
      agents,
      metrics: metricsOf(Object.values(stores)),
      ...(settings.redact.length > 0 && { redact: { keys: settings.redact } }),
    }).listen({
      port,
      ...(host !== undefined && { host }),
      ...(token !== undefined && { token }),
      ...(options['readOnly'] === true && { readOnly: true }),
    });
    const { url } = listening;
    if (output.isJson) output.json({ url, port: listening.port, token: listening.token });
    else {
      output.print(url);
      output.tell(
        output.words.inspects(
          Object.keys(stores)
            .map((name) => printable(name))
            .join(', '),
        ),
      );
    }
    if (options['open'] === true) openBrowser(url);
    await lastValueFrom(abortOf(signal), { defaultValue: undefined });
    await listening.close();
  } finally {
    for (const store of Object.values(stores)) await store.close();
  }
  return exitCodes.done;
}

/** Stores by the names of their folders. */
function named(folders: readonly string[]): Record<string, Store> {
  const stores: Record<string, Store> = {};
  for (const folder of folders) {
    const name = basename(folder);
    stores[Object.hasOwn(stores, name) ? folder : name] = lowdbStore(folder);
  }
  return stores;
}

/** What `stats` says of the newest runs; it is worked out when somebody looks. */
function metricsOf(stores: readonly Store[]): MetricsStore {
  return {
    load: async () => {
      const monitors = [];
      for (const store of stores) monitors.push(await measured(store, { limit: MOST_MEASURED }));
      return monitors.map((monitor) => monitor.save()).reduce((all, one) => mergeStates(all, one));
    },
    save: () => Promise.resolve(),
  };
}

const MOST_MEASURED = 500;

/** Nothing is opened where no screen is near: in CI, and over SSH. */
function openBrowser(url: string): void {
  const { CI: ci = '', SSH_CONNECTION: ssh = '' } = process.env;
  if (ci !== '' || ssh !== '') return;
  const [command, ...words] =
    process.platform === 'darwin'
      ? ['open']
      : process.platform === 'win32'
        ? ['cmd', '/c', 'start', '']
        : ['xdg-open'];
  const child = spawn(command, [...words, url], { stdio: 'ignore', detached: true });
  // There may be none: the address stands in the terminal.
  child.on('error', () => undefined);
  child.unref();
}
