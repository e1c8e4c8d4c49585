import { join } from 'node:path';

import { fileName } from './fileName';

/** Where things stand in the folder of a store. */
export interface Layout {
  readonly folder: string;
  readonly runs: string;
  readonly snapshots: string;
  readonly logs: string;
  readonly cache: string;
  readonly journal: string;
  readonly inbox: string;
  readonly lock: string;
  readonly history: string;
  run(runId: string): string;
}

export function layoutOf(folder: string): Layout {
  const runs = join(folder, 'runs');
  return {
    folder,
    runs,
    snapshots: join(folder, 'snapshots'),
    logs: join(folder, 'logs'),
    cache: join(folder, 'cache'),
    journal: join(folder, 'journal'),
    inbox: join(folder, 'inbox'),
    lock: join(folder, 'lock'),
    history: join(folder, 'history.json'),
    run: (runId) => join(runs, `${fileName(runId)}.json`),
  };
}
