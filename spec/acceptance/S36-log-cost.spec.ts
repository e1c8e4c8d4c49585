import { of } from 'rxjs';

import { createLogger } from '../../lib/log/logger';
import type { Transition } from '../../lib/model/event';
import { logTo } from '../../operators/taps/logTo';

describe('S36 log cost', () => {
  it('never calls the builder of a payload that nobody keeps', () => {
    const payload = jest.fn(() => ({ huge: true }));
    const logger = createLogger({ level: 'INFO' });
    logger.debug('c', 'm', payload);
    expect(payload).not.toHaveBeenCalled();
    expect(logger.getLogs()).toEqual([]);

    logger.info('c', 'm', payload);
    expect(payload).toHaveBeenCalledTimes(1);
  });

  it('holds for what agents say through context.log too', () => {
    const data = jest.fn(() => ({ huge: true }));
    const event = {
      type: 'step.logged',
      runId: 'r',
      seq: 1,
      at: 0,
      path: 'p',
      level: 'DEBUG',
      message: 'm',
      data,
    } as const;
    const said = { event } as unknown as Transition;
    of(said)
      .pipe(logTo(createLogger({ level: 'INFO' })))
      .subscribe();
    expect(data).not.toHaveBeenCalled();
    of(said)
      .pipe(logTo(createLogger({ level: 'DEBUG' })))
      .subscribe();
    expect(data).toHaveBeenCalledTimes(1);
  });
});
