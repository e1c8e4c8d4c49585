import { checkStreamName, StreamActiveError } from '../../errors/storageErrors';
import type { StreamChange, StreamRest } from '../streamRest';
import { StreamTables } from '../streamTables';

/** Streams that are forgotten with the process. What they hold is kept as JSON, as in a folder. */
export function memoryStreams(): StreamRest {
  const streams = new Map<string, StreamTables>();
  const claimed = new Set<string>();
  return {
    claim(name) {
      checkStreamName(name);
      if (claimed.has(name)) throw new StreamActiveError(name);
      claimed.add(name);
      const saved = streams.get(name);
      return {
        saved: saved?.copy(),
        commit(change) {
          let tables = streams.get(name);
          if (tables === undefined) streams.set(name, (tables = new StreamTables()));
          tables.add(JSON.parse(JSON.stringify(change)) as StreamChange);
        },
        release() {
          claimed.delete(name);
        },
      };
    },
    list: async () =>
      Promise.resolve(
        [...streams].map(([name, tables]) => tables.summary(name)).sort((a, b) => (a.name < b.name ? -1 : 1)),
      ),
    async delete(name) {
      checkStreamName(name);
      if (claimed.has(name)) return Promise.reject(new StreamActiveError(name));
      return Promise.resolve(streams.delete(name));
    },
  };
}
