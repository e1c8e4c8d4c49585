import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:http';

import { query } from '../../adapters/restate/client/askAdmin';
import type { Ingress } from '../../adapters/restate/protocol/ingress';
import { IngressError, ingressOf } from '../../adapters/restate/protocol/ingress';

/** An admin that answers with these failures, then with a row. */
function adminThat(...failures: readonly Error[]): Ingress & { readonly asked: () => number } {
  let asked = 0;
  return {
    asked: () => asked,
    request: () => {
      const failure = failures[(asked += 1) - 1];
      return failure === undefined ? Promise.resolve({ rows: [{ id: 'i' }] }) : Promise.reject(failure);
    },
  };
}

const failed = new IngressError(500, 'http://127.0.0.1:9070/query', 'no leader for this partition');
const refused = new IngressError(400, 'http://127.0.0.1:9070/query', 'no such table');

describe('a question to the admin of a Restate server', () => {
  it('is asked again where the server fails to answer', async () => {
    const admin = adminThat(failed, failed);

    await expect(query(admin, 'select id from sys_invocation')).resolves.toEqual([{ id: 'i' }]);
    expect(admin.asked()).toBe(3);
  });

  it('fails with the answer of the server, and what to do, when it goes on failing', async () => {
    const admin = adminThat(...Array.from({ length: 20 }, () => failed));

    await expect(query(admin, 'select id from sys_invocation')).rejects.toMatchObject({
      code: 'INGRESS_REFUSED',
      status: 500,
      next: "look into the server's log",
    });
    expect(admin.asked()).toBe(6);
  });

  it('is given up where an admin takes it and never answers', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    const mute = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const address = `http://127.0.0.1:${(mute.address() as AddressInfo).port}`;
    const asked = query(ingressOf([address], 1_000), 'select id from sys_invocation');
    const outcome = asked.catch((error: unknown) => error);
    await once(mute, 'request');
    await jest.advanceTimersByTimeAsync(30_000);
    jest.useRealTimers();

    await expect(outcome).resolves.toMatchObject({ code: 'REQUEST_TIMEOUT', url: `${address}/query` });
    mute.closeAllConnections();
    mute.close();
  });

  it('is asked once where the server refuses it', async () => {
    const admin = adminThat(refused);

    await expect(query(admin, 'select')).rejects.toBe(refused);
    expect(admin.asked()).toBe(1);
  });
});
