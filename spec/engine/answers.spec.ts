import type { Server } from 'node:http';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

import * as t from 'io-ts';

import type { RestateEngine, RestateWorker } from '../../adapters/restate';
import { restateEngine, serveRestate } from '../../adapters/restate';
import type { Wire } from '../../index';
import { approval, execute, workflow } from '../../index';
import type { RestateServer } from './support/restateServer';
import { restateBinary, startRestate, waitFor } from './support/restateServer';

const describeHere = restateBinary() === undefined ? describe.skip : describe;

const both = workflow('both', (n: Wire<number>, step) => ({
  a: step('a', approval<boolean, number>('a', t.boolean), n),
  b: step('b', approval<boolean, number>('b', t.boolean), n),
}));

describeHere('answers on Restate', () => {
  let server: RestateServer;
  let worker: RestateWorker;
  let engine: RestateEngine;
  let slowRoad: Server;
  let far: RestateEngine;

  beforeAll(async () => {
    server = await startRestate();
    const { ingress, admin } = server;
    worker = await serveRestate([both], { port: 0, ingress, admin });
    engine = restateEngine({ ingress, admin });
    slowRoad = delayingAnswers(ingress);
    await new Promise<void>((resolve) => slowRoad.listen(0, '127.0.0.1', resolve));
    far = restateEngine({ ingress: `http://127.0.0.1:${(slowRoad.address() as AddressInfo).port}`, admin });
  });
  afterAll(async () => {
    slowRoad.closeAllConnections();
    await new Promise((resolve) => slowRoad.close(resolve));
    await worker.close();
    await server.stop();
  });

  it('takes both of two answers, also where the later one was meant for the life before', async () => {
    const options = { engine, runId: 'raced' };
    await execute(both, 1, options);
    await Promise.all([
      far.answer(options.runId, 'b', true, { agent: both }),
      engine.answer(options.runId, 'a', false, { agent: both }),
    ]);
    await waitFor(
      async () => (await engine.loadRun(both, options.runId))?.status === 'COMPLETED',
      10_000,
      'both answers',
    );
    expect((await engine.loadRun(both, options.runId))?.output).toEqual({ a: false, b: true });
  });

  it('takes the answer behind one that does not fit', async () => {
    const options = { engine, runId: 'second thoughts' };
    await execute(both, 1, options);
    await engine.answer(options.runId, 'a', 'maybe', { agent: both });
    await engine.answer(options.runId, 'a', true, { agent: both });
    await engine.answer(options.runId, 'b', true, { agent: both });
    await waitFor(
      async () => (await engine.loadRun(both, options.runId))?.status === 'COMPLETED',
      10_000,
      'both answers',
    );
  });
});

/** Hands everything on to the server, answers after 150 ms. */
function delayingAnswers(ingress: string): Server {
  const { hostname, port } = new URL(ingress);
  return createServer((incoming, outgoing) => {
    const { url: path, method, headers } = incoming;
    const handOn = (): void => {
      const asked = request({ hostname, port, path, method, headers }, (reply) => {
        outgoing.writeHead(reply.statusCode ?? 500, reply.headers);
        reply.pipe(outgoing);
      });
      incoming.pipe(asked);
    };
    setTimeout(handOn, path?.endsWith('/answer') === true ? 150 : 0);
  });
}
