import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { childProgram } from '../support/child';
import { SLACK } from '../support/slack';
import type { ModelServer, Scenario } from './support/modelServer';
import { modelServer } from './support/modelServer';

describe('examples/agent.ts with OPENAI_BASE_URL, the real package and a server on this machine', () => {
  let server: ModelServer;
  const folder = mkdtempSync(join(tmpdir(), 'millrace-agent-'));

  beforeAll(async () => {
    server = await modelServer();
  });
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  /** The example finds the package where it is started. */
  const ask = async (scenario: Scenario) => {
    const env = {
      NODE_ENV: '',
      MILLRACE_STATE: join(folder, scenario),
      OPENAI_BASE_URL: `${server.url}/v1`,
      OPENAI_API_KEY: 'k',
      OPENAI_MODEL: scenario,
    };
    const program = childProgram(join(__dirname, '../../examples/agent.ts'), { env });
    const began = performance.now();
    const ended = await program.runIn('cd spec/sdks && exec "$@"');
    program.remove();
    return { ...ended, ms: performance.now() - began };
  };

  it('answers with what the model says, in less than 10 seconds', async () => {
    const { stdout, stderr, code, ms } = await ask('plain');
    expect({ stdout, stderr, code }).toEqual({ stdout: 'It rains.\n3 messages\n', stderr: '', code: 0 });
    expect(ms).toBeLessThan(10_000 * SLACK);
    expect(server.bodies.at(-1)).toMatchObject({
      model: 'plain',
      tools: [{ function: { name: 'measure' } }],
    });
  });

  it('tells the model that a tool is not there, and fails by name when it hears nothing of that', async () => {
    const { stderr, code } = await ask('tools');
    expect(code).toBe(1);
    expect(stderr).toContain('There is no tool "weather", only measure.');
  });
});
