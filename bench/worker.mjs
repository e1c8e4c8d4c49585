// One measurement, in a process of its own: node worker.mjs <file> <workload> <variant>
import { measure } from './measure.mjs';

const [file, id, name] = process.argv.slice(2);
const { workloads } = await import(`./workloads/${file}`);
const workload = workloads.find((each) => each.id === id);
try {
  const result = await measure(await workload.variants[name](), workload.totalUnits);
  const { user, system } = process.cpuUsage();
  process.stdout.write(`\n@@${JSON.stringify({ ...result, allCpuUs: user + system })}\n`);
  process.exit(0);
} catch (error) {
  process.stderr.write(`${error?.stack ?? error}\n`);
  process.exit(1);
}
