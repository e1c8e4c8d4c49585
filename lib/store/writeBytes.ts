import type { Files } from './files';

/** Writes bytes at a position of an open file; a system may take them in pieces. */
export function writeBytes(files: Files, file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) {
    const count = files.write(file, done === 0 ? bytes : bytes.subarray(done), position + done);
    if (count === 0) throw new Error('nothing was written');
    done += count;
  }
}

/** Makes a file of these bytes; its content survives a power loss, its name only with the folder. */
export async function writeNewFile(files: Files, path: string, bytes: Uint8Array): Promise<void> {
  const file = files.create(path);
  try {
    writeBytes(files, file, bytes, 0);
    await files.sync(file);
  } finally {
    files.close(file);
  }
}
