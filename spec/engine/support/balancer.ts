import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

/** Hands connections to several workers in turn, and to another one when a worker is gone. */
export interface Balancer {
  readonly uri: string;
  add(port: number): void;
  remove(port: number): void;
  close(): Promise<void>;
}

export async function startBalancer(): Promise<Balancer> {
  let ports: number[] = [];
  let turn = 0;
  const open = new Set<Socket>();

  const dial = (client: Socket, triesLeft: number): void => {
    turn += 1;
    const port = ports[turn % Math.max(1, ports.length)];
    if (port === undefined || triesLeft < 0) {
      client.destroy();
      return;
    }
    const worker = connect({ port, host: '127.0.0.1', noDelay: true });
    worker.once('connect', () => {
      open.add(worker);
      client.pipe(worker).pipe(client);
      worker.removeAllListeners('error');
      worker.on('error', () => client.destroy());
      client.on('error', () => worker.destroy());
      worker.on('close', () => {
        open.delete(worker);
        client.destroy();
      });
      client.on('close', () => worker.destroy());
    });
    worker.once('error', () => dial(client, triesLeft - 1));
  };

  const server = createServer({ noDelay: true }, (client) => {
    open.add(client);
    client.on('error', () => client.destroy());
    client.on('close', () => open.delete(client));
    dial(client, ports.length);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    add(port) {
      ports = [...ports, port];
    },
    remove(port) {
      ports = ports.filter((other) => other !== port);
    },
    close() {
      for (const socket of open) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
