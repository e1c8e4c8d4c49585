/* An inspector in a process of its own: tells its address, then, for each time it is told, how long it computed in so many milliseconds. */
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

void inspector({ store: lowdbStore(process.argv[2]!) })
  .listen()
  .then(({ url }) => process.send?.(url));
