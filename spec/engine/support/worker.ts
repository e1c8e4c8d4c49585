// A worker in a process of its own: node -r ts-node/register/transpile-only worker.ts <ingress> <port> [names…]
import { serveRestate } from '../../../adapters/restate';
import { served } from './agents';

// A clock that is wrong by so much, for the worker and what it tells the server.
const wrongByMs = Number(process.env['CLOCK_WRONG_BY_MS'] ?? 0);
if (wrongByMs !== 0) {
  const right = Date.now;
  Date.now = () => right() + wrongByMs;
}

const [ingress = '', port = '0', ...names] = process.argv.slice(2);
const agents = Object.entries(served)
  .filter(([name]) => names.length === 0 || names.includes(name))
  .map(([, agent]) => agent);

serveRestate(agents, {
  ingress: ingress.split(','),
  port: Number(port),
  placement: () => (process.env['PLACEMENT'] === 'call' ? 'call' : 'inline'),
}).then(
  (worker) => process.send?.({ port: worker.port }),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
process.on('disconnect', () => process.exit(0));
