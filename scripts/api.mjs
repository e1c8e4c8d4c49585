// Compares the surface of every entry with its report in api/, which is tracked: a name, a type or a docstring that changes
// shows in a diff. `npm run api:update` writes the reports anew. It reads what tsc has written, before types.mjs rolls it up.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, URL } from 'node:url';

import apiExtractor from '@microsoft/api-extractor';

const { Extractor, ExtractorConfig } = apiExtractor;
const root = fileURLToPath(new URL('..', import.meta.url));
const isUpdate = process.argv.includes('--local');
const settings = join(root, 'api-extractor.json');
const { exports: entries } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

mkdirSync(join(root, 'api'), { recursive: true });
let isFailed = false;
for (const [name, { types }] of Object.entries(entries)) {
  if (types === undefined) continue;
  const config = ExtractorConfig.loadFile(settings);
  config.mainEntryPointFilePath = join(root, types);
  config.apiReport.reportFileName = `${name === '.' ? 'millrace' : name.replace('./', '')}.api.md`;
  const { succeeded, apiReportChanged, errorCount, warningCount } = Extractor.invoke(
    ExtractorConfig.prepare({
      configObject: config,
      configObjectFullPath: settings,
      packageJsonFullPath: join(root, 'package.json'),
    }),
    {
      localBuild: isUpdate,
      messageCallback: (message) => {
        // What it says about itself.
        if (message.category === 'console' && message.logLevel !== 'error') message.handled = true;
        // What each class of error overrides is told once, at MillraceError; what `type` and
        // `kind` stand for, by the name of the record.
        if (message.messageId === 'ae-undocumented' && /"(name|code|retryable|type|kind)"/.test(message.text))
          message.logLevel = 'none';
      },
    },
  );
  if (apiReportChanged && !isUpdate) console.error(`${name}: changed; look at it, then: npm run api:update`);
  if (!succeeded) console.error(`${name}: ${errorCount} errors, ${warningCount} warnings`);
  isFailed ||= !succeeded;
}
process.exitCode = isFailed ? 1 : 0;
