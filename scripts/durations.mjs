// What takes how long, from reports of Jest: the slowest files first.
//
//   npm test -- --json --outputFile=/tmp/report.json; node scripts/durations.mjs /tmp/report.json
//
// Lines of `NAME SECONDS` from other checks may be given with --checks=FILE.
import { existsSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';

const SHOWN = 15;
const given = process.argv.slice(2);
const checks = given.find((argument) => argument.startsWith('--checks='))?.slice('--checks='.length);
const rows = [];
for (const file of given.filter((argument) => !argument.startsWith('--'))) {
  if (!existsSync(file)) continue;
  const text = readFileSync(file, 'utf8');
  if (text === '') continue;
  for (const { name, startTime, endTime } of JSON.parse(text).testResults)
    rows.push({ name: relative(process.cwd(), name), seconds: (endTime - startTime) / 1000 });
}
rows.sort((one, other) => other.seconds - one.seconds);

console.log('seconds  what');
if (checks !== undefined)
  for (const line of readFileSync(checks, 'utf8').trim().split('\n')) {
    const [name = '', seconds = ''] = line.split('\t');
    console.log(`${seconds.padStart(7)}  ${name}`);
  }
for (const { name, seconds } of rows.slice(0, SHOWN))
  console.log(`${seconds.toFixed(1).padStart(7)}  ${name}`);
const rest = rows.slice(SHOWN).reduce((sum, { seconds }) => sum + seconds, 0);
if (rows.length > SHOWN)
  console.log(`${rest.toFixed(1).padStart(7)}  ${rows.length - SHOWN} other spec files`);
