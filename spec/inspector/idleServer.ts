/*
 * An inspector in a process of its own: tells its address, then, for each time it is told, how long it computed in so many
 * milliseconds. Without a folder of runs it only looks at its own folder, as often as the inspector looks at that of the runs.
 */
import { readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

import { inspector } from '../../inspector/inspector';
import { lowdbStore } from '../../lib/store/folder/lowdbStore';

process.on('message', (ms: number) => {
  const before = process.cpuUsage();
  void pause(ms).then(() => {
    const { user, system } = process.cpuUsage(before);
    process.send?.((user + system) / 1_000);
  });
});

process.once('disconnect', () => process.exit());

const folder = process.argv[2];
if (folder === undefined) {
  setInterval(() => readdirSync(__dirname), 150);
  process.send?.('');
} else
  void inspector({ store: lowdbStore(folder) })
    .listen()
    .then(({ url }) => process.send?.(url));
