import type { LineSink, OnLost } from './lineSink';

/**
 * Writes lines to a stream such as `process.stderr`. While the stream is full, up to `limit` lines wait; then the newest
 * are dropped and counted. The stream stays open.
 */
export function streamSink(stream: NodeJS.WritableStream, limit: number, onLost: OnLost): LineSink {
  let waiting: string[] = [];
  let isFull = false;
  let isBroken = false;
  let closed: (() => void) | undefined;

  const put = (text: string, lines: number): void => {
    try {
      isFull = !stream.write(text);
      if (isFull) stream.once('drain', drained);
    } catch (error) {
      onLost(lines, error);
    }
  };
  const flush = (): void => {
    if (waiting.length === 0) return;
    const lines = waiting;
    waiting = [];
    put(`${lines.join('\n')}\n`, lines.length);
  };
  const drained = (): void => {
    isFull = false;
    flush();
    if (waiting.length === 0) closed?.();
  };
  const broke = (error: Error): void => {
    isBroken = true;
    isFull = false;
    const lines = waiting.length;
    waiting = [];
    onLost(lines, error);
    closed?.();
  };
  stream.on('error', broke);

  return {
    write(line) {
      if (isBroken) onLost(1, undefined);
      else if (!isFull) put(`${line}\n`, 1);
      else if (waiting.length < limit) waiting.push(line);
      else onLost(1, undefined);
    },
    flush,
    async close() {
      if (isFull) {
        await new Promise<void>((resolve) => {
          closed = resolve;
        });
      }
      stream.removeListener('error', broke);
      stream.removeListener('drain', drained);
    },
  };
}
