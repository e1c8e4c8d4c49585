import type { Agent } from '../../../lib/model/agentType';
import type { Ingress, IngressError } from '../protocol/ingress';
import { agentOf, servicesNamed } from '../protocol/serviceNames';
import { DefinitionNotServedError } from '../restateErrors';
import { readAdmin } from './askAdmin';
import { serviceFor } from './engineContext';

/** Whether the server says that no worker has registered this service; it answers 404 to an unknown run too. */
export function isNotServed({ status, message }: IngressError): boolean {
  return status === 404 && /not found.*service|service.*not found/i.test(message);
}

/** The error for an agent that no worker serves, with the versions of it that are, where the admin can be asked. */
export async function notServed(
  agent: Agent<never, unknown>,
  admin: Ingress | undefined,
  cause: unknown,
): Promise<Error> {
  const prefix = servicesNamed(agent.name);
  const names = await servicesOn(admin);
  const served = names
    ?.filter((name) => name.startsWith(prefix) && agentOf(name) !== undefined)
    .map((name) => name.slice(prefix.length));
  const error = new DefinitionNotServedError(
    agent.name,
    serviceFor(agent).slice(prefix.length),
    served && [...new Set(served)],
  );
  error.cause = cause;
  return error;
}

/** The names of all services; undefined where nobody can say. */
async function servicesOn(admin: Ingress | undefined): Promise<readonly string[] | undefined> {
  try {
    const answer = (admin && (await readAdmin(admin, '/services'))) as
      { readonly services: readonly { readonly name: string }[] } | undefined;
    return answer?.services.map(({ name }) => name);
  } catch {
    // That the agent is not served is known all the same, and says more than that the admin is away.
    return undefined;
  }
}
