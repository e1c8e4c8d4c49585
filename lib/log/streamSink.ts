import type { LineSink, OnLost } from './fileSink';

/** Any writable stream, such as `process.stderr`; told without the types of Node, which a browser's code does not have. */
export interface LogStream {
  /** False while the stream is full: it says `drain` when it takes more. */
  write(text: string): boolean;
  on(event: 'error', listener: (error: Error) => void): unknown;
  once(event: 'drain', listener: () => void): unknown;
  removeListener(event: string, listener: (error: Error) => void): unknown;
}

/**
 * Writes lines to a stream such as `process.stderr`. While the stream is full, up to `limit` lines wait; then the newest
 * are dropped and counted. The stream stays open.
 */
export function streamSink(stream: LogStream, limit: number, onLost: OnLost): LineSink {
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
  const release = onErrorOf(stream, broke);

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
      release();
      stream.removeListener('drain', drained);
    },
  };
}

type OnError = (error: Error) => void;

const waitingFor = new WeakMap<LogStream, { readonly all: Set<OnError>; readonly listener: OnError }>();

/** One listener a stream, however many sinks write to it: Node warns about the eleventh. */
function onErrorOf(stream: LogStream, onError: OnError): () => void {
  let known = waitingFor.get(stream);
  if (known === undefined) {
    const all = new Set<OnError>();
    const listener: OnError = (error) => {
      for (const each of [...all]) each(error);
    };
    known = { all, listener };
    waitingFor.set(stream, known);
    stream.on('error', listener);
  }
  const { all, listener } = known;
  all.add(onError);
  return () => {
    all.delete(onError);
    if (all.size > 0 || waitingFor.get(stream)?.all !== all) return;
    waitingFor.delete(stream);
    stream.removeListener('error', listener);
  };
}
