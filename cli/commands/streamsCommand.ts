import type { MillraceError } from '../../lib/model/failure';
import { printable } from '../../lib/report/columns';
import type { StreamSummary } from '../../lib/store/streamRest';
import { offsetText } from '../../lib/store/streamRest';
import type { CommandContext } from '../context';
import { withStore } from '../context';
import { exitCodes } from '../exitCodes';
import { momentText } from '../view/moments';
import type { Output } from '../view/output';
import { paint } from '../view/output';
import { tableText } from '../view/table';

/** Lists the streams that remember: how far each has read, how far it is behind, and what it holds. */
export async function streamsCommand(context: CommandContext): Promise<number> {
  const { args, output } = context;
  return withStore(
    context,
    async (store) => {
      const damaged: { readonly name: string; readonly error: MillraceError }[] = [];
      const streams = await store.streams.list({
        onDamaged: (name, error) => damaged.push({ name, error }),
      });
      for (const { name, error } of damaged)
        output.tell(`${paint('✘', 'red', output)} ${printable(name)}: ${printable(error.message)}`);
      if (output.isJson)
        output.json([...streams, ...damaged.map(({ name, error }) => ({ name, error: error.toJSON() }))]);
      else showStreams(streams, output);
      return exitCodes.done;
    },
    { store: args[0] },
  );
}

function showStreams(streams: readonly StreamSummary[], output: Output): void {
  const { words } = output;
  if (streams.length === 0) {
    output.print(words.noStreams);
    return;
  }
  const head = [words.stream, words.offset, words.lag, words.rows, words.late, words.latestRecord];
  const rows = streams.map(({ name, offsets, lags, tables, late, committedAt }) => [
    printable(name),
    cellOf(offsets, name),
    cellOf(lags, name),
    cellOf(tables, ''),
    cellOf(late, ''),
    committedAt === 0 ? '' : momentText(committedAt),
  ]);
  output.print(tableText(head, rows, output));
}

/** One value for each source or table, with its name; a source that is called as its stream needs none. */
function cellOf(values: Readonly<Record<string, unknown>>, own: string): string {
  return Object.entries(values)
    .map(([name, value]) => {
      const text = offsetText(value);
      return printable(name === own ? text : `${name} ${text}`);
    })
    .join(', ');
}
