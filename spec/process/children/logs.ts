import { readFileSync } from 'node:fs';

import { createLogger } from '../../../lib/log/logger';

const [how = 'ends', file = 'child.log'] = process.argv.slice(2);
const logger = createLogger({ file });
process.once('exit', () => {
  // The listener of the logger came first, so what could be written has been.
  process.stdout.write(`dropped ${logger.getDropCount()}`);
});
if (how === 'SIGTERM handled') {
  // A service: it has something to wait for.
  setTimeout(() => undefined, 10_000);
  process.once('SIGTERM', () => {
    void logger.close().then(() => process.exit(143));
  });
}
logger.info('child', 'opens the file');
for (let i = 1; i < 20_000; i += 1) logger.info('child', `line ${i}`, { how });

switch (how) {
  case 'exits':
    process.exit(3);
  // eslint-disable-next-line no-fallthrough -- exit() does not return
  case 'throws':
    throw new Error('on purpose');
  case 'rejects':
    void Promise.reject(new Error('on purpose'));
    break;
  case 'SIGTERM':
  case 'SIGTERM handled':
    process.kill(process.pid, 'SIGTERM');
    break;
  case 'SIGTERM when idle':
    // It has nothing left to write, or has been given up.
    for (let look = 1; look <= 400; look += 1) {
      setTimeout(() => {
        if (look === 400 || readFileSync(file, 'utf8').includes('"line 19999"'))
          process.kill(process.pid, 'SIGTERM');
      }, look * 50);
    }
    break;
  case 'closes':
    void logger.close();
    break;
  default:
    break;
}
