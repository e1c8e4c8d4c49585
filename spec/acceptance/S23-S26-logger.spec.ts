import { Writable } from 'node:stream';

import type { LogEntry } from '../../lib/log/entry';
import { logLevels } from '../../lib/log/entry';
import { createLogger } from '../../lib/log/logger';

describe('S23 log levels', () => {
  it('are five, in order, and each has a method', () => {
    expect(logLevels).toEqual(['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL']);
    const logger = createLogger({ level: 'DEBUG' });
    logger.debug('c', 'm');
    logger.info('c', 'm');
    logger.warning('c', 'm');
    logger.error('c', 'm');
    logger.critical('c', 'm');
    expect(logger.getLogs().map((entry) => entry.level)).toEqual(logLevels);
  });

  it('keep what is as serious as the threshold, and nothing below', () => {
    for (const [rank, level] of logLevels.entries()) {
      const logger = createLogger({ level });
      for (const each of logLevels) logger.log(each, 'c', 'm');
      expect(logger.getLogs().map((entry) => entry.level)).toEqual(logLevels.slice(rank));
      expect(logLevels.map((each) => logger.isEnabled(each))).toEqual(
        logLevels.map((_, index) => index >= rank),
      );
    }
  });
});

describe('S24 log entry', () => {
  it('has exactly the five keys, as a JSON line too', () => {
    const lines: string[] = [];
    const stream = new Writable({
      write(chunk: Buffer, _encoding, next) {
        lines.push(chunk.toString());
        next();
      },
    });
    const logger = createLogger({ console: stream, scheduler: { now: () => Date.UTC(2026, 10, 22) } });
    logger.info('billing', 'sent', { invoices: 3 });
    logger.info('billing', 'without data');

    expect(lines).toEqual([
      '{"timestamp":"2026-11-22T00:00:00.000Z","level":"INFO","component":"billing","message":"sent","data":{"invoices":3}}\n',
      '{"timestamp":"2026-11-22T00:00:00.000Z","level":"INFO","component":"billing","message":"without data","data":{}}\n',
    ]);
    expect(lines.map((line) => JSON.parse(line) as LogEntry)).toEqual(logger.getLogs());
  });
});

describe('S25 getLogs()', () => {
  const logger = createLogger({ level: 'DEBUG', keep: 5 });
  logger.info('pages', 'a');
  logger.error('pages[3]/ocr', 'b');
  logger.info('pagesize', 'c');
  logger.error('topics', 'd');

  it('filters by level, by component, and by both', () => {
    const messages = (query?: Parameters<typeof logger.getLogs>[0]): string[] =>
      logger.getLogs(query).map((entry) => entry.message);
    expect(messages()).toEqual(['a', 'b', 'c', 'd']);
    expect(messages({ level: 'ERROR' })).toEqual(['b', 'd']);
    expect(messages({ component: 'pages' })).toEqual(['a', 'b']);
    expect(messages({ component: 'pages', level: 'ERROR' })).toEqual(['b']);
    expect(messages({ component: 'nobody' })).toEqual([]);
  });

  it('remembers only the latest, oldest first', () => {
    for (let i = 0; i < 20_003; i += 1) logger.info('many', `${i}`);
    expect(logger.getLogs().map((entry) => entry.message)).toEqual([
      '19998',
      '19999',
      '20000',
      '20001',
      '20002',
    ]);
  });
});

describe('S26 getLogSummary()', () => {
  it('counts every level, zeros too', () => {
    const logger = createLogger({ keep: 1 });
    expect(logger.getLogSummary()).toEqual({ DEBUG: 0, INFO: 0, WARNING: 0, ERROR: 0, CRITICAL: 0 });
    logger.debug('c', 'below the threshold');
    logger.info('c', 'm');
    logger.info('c', 'm');
    logger.critical('c', 'm');
    expect(logger.getLogSummary()).toEqual({ DEBUG: 0, INFO: 2, WARNING: 0, ERROR: 0, CRITICAL: 1 });
  });
});
