import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { StorageError, StoreLockedError } from '../../lib/errors/storageErrors';
import { printable } from '../../lib/report/columns';
import { fileName } from '../../lib/store/folder/layout';
import { lowdbStore } from '../../lib/store/folder/lowdbStore';
import { archivedRun, importRun, packRun } from '../../lib/store/runArchive';
import { examine, ownerOf } from '../../lib/store/salvage/examine';
import type { LeftOut } from '../../lib/store/salvage/leftOut';
import { salvage } from '../../lib/store/salvage/salvage';
import type { Store } from '../../lib/store/store';
import { Shown } from '../../adapters/http/shown';
import { exportHtml } from '../../inspector/index';
import { usageError } from '../commandError';
import type { CommandContext } from '../context';
import { fileBytes, commandLine, settingsFor, textOf, withStore } from '../context';
import { exitCodes } from '../exitCodes';
import type { Output } from '../view/output';
import { paint } from '../view/output';
import { runNamed } from '../runNames';
import type { Settings } from '../settings';
import { withoutValues } from '../withoutValues';

/** Writes a run into one file. */
export async function exportCommand(context: CommandContext): Promise<number> {
  const { args, options, output, folder } = context;
  return withStore(context, async (store, settings) => {
    const { runId } = await runNamed(store, String(args[0]));
    if (options['html'] === true) return writeHtml(context, store, settings, runId);
    const run = await archivedRun(runId, store);
    const bare = options['values'] === false ? withoutValues(run) : run;
    const content = packRun(
      options['redact'] === true ? new Shown({ keys: settings.redact }).wholeRun(bare) : bare,
    );
    const file = resolve(folder, textOf(options['output']) ?? `${fileName(runId)}.millrace.gz`);
    write(file, content);
    if (output.isJson) output.json({ runId, file, bytes: content.length });
    else output.print(`${paint('✔', 'green', output)} ${file}  ${sizeText(content.length)}`);
    return exitCodes.done;
  });
}

/** A page that opens from a file; secrets are always left out of it. */
async function writeHtml(
  { options, output, folder }: CommandContext,
  store: Store,
  { redact }: Settings,
  runId: string,
): Promise<number> {
  if (options['values'] === false)
    throw usageError('Cannot leave the values out of a page', 'give --no-values without --html');
  const html = await exportHtml(runId, { store, ...(redact.length > 0 && { redact: { keys: redact } }) });
  const file = resolve(folder, textOf(options['output']) ?? `${fileName(runId)}.html`);
  write(file, html);
  const bytes = Buffer.byteLength(html);
  if (output.isJson) output.json({ runId, file, bytes });
  else output.print(`${paint('✔', 'green', output)} ${file}  ${sizeText(bytes)}`);
  return exitCodes.done;
}

function write(file: string, content: Uint8Array | string): void {
  try {
    writeFileSync(file, content);
  } catch (error) {
    throw new StorageError('write', file, error, 'name another file with -o');
  }
}

/** Puts the run of a file into the store. */
export async function importCommand(context: CommandContext): Promise<number> {
  const { args, options, output, folder } = context;
  const file = resolve(folder, String(args[0]));
  if (!existsSync(file))
    throw usageError(`Cannot find the file "${file}"`, 'millrace export <run> makes one');
  const content = fileBytes(file, 'a run', 'millrace export <run> makes a file of one');
  const settings = await settingsFor(context);
  const id = textOf(options['id']);
  const store = lowdbStore(settings.store);
  try {
    const runId = await importRun(content, { store, ...(id !== undefined && { runId: id }) });
    const next = commandLine(settings, 'show', [runId]);
    if (output.isJson) output.json({ runId, next });
    else {
      output.print(`${paint('✔', 'green', output)} ${output.words.imported} ${printable(runId)}`);
      output.print(`${output.words.toLook}  ${next}`);
    }
    return exitCodes.done;
  } finally {
    await store.close();
  }
}

/** Copies what is intact of a damaged store into a new folder. */
export async function salvageCommand({ args, options, output, folder }: CommandContext): Promise<number> {
  const [from, to] = [resolve(folder, String(args[0])), resolve(folder, String(args[1]))];
  const { words } = output;
  const owner = await ownerOf(from);
  if (owner?.isAlive === true)
    throw new StoreLockedError(from, owner.pid, owner.host, 'end that process first', 'salvage');
  const isDry = options['dryRun'] === true;
  const leftOut = isDry ? await wouldLeave(from) : await salvage(from, to);
  const runs = isDry ? (await examine(from)).runs.length : (await examine(to)).runs.length;
  if (output.isJson) output.json({ runs, leftOut, ...(isDry ? {} : { target: to }) });
  else {
    for (const one of leftOut) output.print(damageLine(one, output));
    output.print(
      `${paint('✔', 'green', output)} ${isDry ? words.wouldSave(runs) : words.saved(runs)}${isDry ? '' : `  ${join(to)}`}`,
    );
  }
  return exitCodes.done;
}

async function wouldLeave(folder: string): Promise<readonly LeftOut[]> {
  const { damage, torn } = await examine(folder);
  return [...damage, ...torn];
}

/** `✘ state/runs/r.json  byte 0: the checksum differs` */
function damageLine({ file, offset, reason }: LeftOut, output: Output): string {
  return `${paint('✘', 'red', output)} ${printable(file)}  ${output.words.atByte(offset)}: ${printable(reason)}`;
}

/** A length that a person reads. */
export function sizeText(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB'];
  let [size, unit] = [bytes / 1_024, 0];
  while (size >= 1_024 && unit < units.length - 1) [size, unit] = [size / 1_024, unit + 1];
  return `${size.toFixed(size < 10 ? 1 : 0)} ${units[unit] ?? ''}`;
}
