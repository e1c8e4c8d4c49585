// What the core asks of `process`.
/* eslint-disable no-console -- a page has no other place where a person looks */

/** Lines for a person who looks into the console. */
const consoleStream = {
  isTTY: false,
  columns: 80,
  write(text: string, done?: () => void): boolean {
    console.info(text.replace(/\n$/, ''));
    done?.();
    return true;
  },
};

// eslint-disable-next-line no-restricted-syntax -- so Node gives it
export default {
  pid: 0,
  env: {} as Readonly<Record<string, string | undefined>>,
  stdout: consoleStream,
  stderr: consoleStream,
  emitWarning(warning: string | Error): void {
    console.warn(warning);
  },
  /** A page that ends is asked nothing. */
  on(): void {
    return undefined;
  },
  off(): void {
    return undefined;
  },
};
