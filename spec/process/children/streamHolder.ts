/* Holds a stream until it is ended. Args: folder. */
import { NEVER } from 'rxjs';

import { fromOffset, lowdbStore } from '../../../index';

const store = lowdbStore(process.argv[2] ?? '');
fromOffset(() => NEVER, { name: 'orders', store }).subscribe({
  error: (error: unknown) => {
    console.error(error);
  },
});
void (async () => {
  // Claimed once another claim is refused in this process too.
  for (;;) {
    try {
      const claim = await store.streams.claim('orders');
      await claim.release();
    } catch (error) {
      if ((error as Error).name === 'StreamActiveError') console.log('holds');
      break;
    }
  }
})();
// Nothing else keeps this process.
setInterval(() => undefined, 1_000);
