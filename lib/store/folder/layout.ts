import { createHash } from 'node:crypto';
import { join } from 'node:path';

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
  readonly streams: string;
  readonly signals: string;
  readonly requests: string;
  readonly queue: string;
  readonly history: string;
  run(runId: string): string;
  /** A file with many runs that have completed. */
  pack(number: number): string;
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
    streams: join(folder, 'streams'),
    signals: join(folder, 'signals'),
    requests: join(folder, 'requests'),
    queue: join(folder, 'queue'),
    history: join(folder, 'history.json'),
    run: (runId) => join(runs, `${fileName(runId)}.json`),
    pack: (number) => join(runs, `pack.${String(number).padStart(8, '0')}.json`),
  };
}

/** Number of the pack of a file with this name; undefined for any other. No run has such a name. */
export function packNumber(name: string): number | undefined {
  const [, digits] = /^pack\.(\d{8,15})\.json$/.exec(name) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

/**
 * A file name for any id: safe on every file system, and different for different ids even where case and Unicode form do
 * not count.
 *
 * A short lower-case id is its own name, a ULID is written in lower case and marked; all others become a readable rest
 * and 128 bits of SHA-256.
 */
export function fileName(id: string): string {
  if (/^[a-z0-9][a-z0-9_-]{0,99}$/.test(id) && !RESERVED.test(id)) return id;
  if (/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(id)) return `${id.toLowerCase()}.ulid`;
  const rest = id
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .slice(0, 40);
  // As UTF-16: in UTF-8 all lone surrogates would look the same.
  const hash = createHash('sha256').update(Buffer.from(id, 'utf16le')).digest('hex').slice(0, 32);
  return `id-${rest}.${hash}`;
}

// Names of devices on Windows, with or without an extension.
const RESERVED = /^(con|prn|aux|nul|com\d|lpt\d)$/;
