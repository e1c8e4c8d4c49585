import { execFile } from 'node:child_process';
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';

import { nodeListener } from '../../../../adapters/http';

/** A server on a port of its own. */
export interface Listening {
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

export async function listening(
  handler: (request: Request) => Promise<Response>,
  onServer: (server: Server) => void = () => undefined,
): Promise<Listening> {
  const node = nodeListener(handler);
  const server = createServer((request, response) => void node(request, response));
  onServer(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${String(port)}`,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/** What curl got. */
export interface Curled {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Asks with the real curl, from another process, paths as they are. */
export async function curl(url: string, ...args: readonly string[]): Promise<Curled> {
  const all = ['--silent', '--show-error', '--max-time', '10', '--path-as-is', '--include', ...args, url];
  const { stdout } = await promisify(execFile)('curl', all, { encoding: 'utf8', maxBuffer: 1 << 26 });
  const end = stdout.indexOf('\r\n\r\n');
  const [first = '', ...lines] = stdout.slice(0, end).split('\r\n');
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return {
    status: Number(first.split(' ')[1]),
    headers: Object.fromEntries(headers),
    body: stdout.slice(end + 4),
  };
}
