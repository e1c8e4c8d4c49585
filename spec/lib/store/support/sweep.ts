import { everyNth, tally } from '../../../support/torture';
import type { Call, Fate } from './memoryFiles';
import { errno } from './memoryFiles';

const CODES = ['EMFILE', 'EACCES', 'EIO', 'ENOSPC', 'EROFS', 'ENOTDIR'];

/** Files whose calls can be counted, and made to fail. */
export interface Faulty {
  readonly calls: number;
  fate: (call: Call) => Fate;
}

/** Work during which each call to the file system fails once. */
export interface Swept<F extends Faulty, T> {
  /** New files, with nothing in them. */
  readonly files: () => F;
  /** Does the work; tells what anybody was told meanwhile. */
  readonly work: (files: F) => Promise<T>;
  /** Whether somebody was told of an error, by this or a warning; or no mark is left of it. */
  readonly isToldOrMended: (told: T, files: F, warnings: readonly string[]) => boolean | Promise<boolean>;
  /** What has become of it once nothing fails any more. */
  readonly outcome: (files: F, told: T) => Promise<unknown>;
  /** What must have become of it. */
  readonly right: unknown;
}

/**
 * Tests that each error at any call is told or mended, harms no process, and loses nothing that was acknowledged. An error that
 * nobody catches fails a test by itself: Jest hears of it, a listener in a spec does not.
 *
 * @param every - From how many calls one fails, in `npm test` and among the laws.
 */
export function sweeps<F extends Faulty, T>(swept: Swept<F, T>, ...every: Parameters<typeof everyNth>): void {
  let warnings: string[] = [];
  let warned: jest.SpyInstance;
  beforeAll(() => {
    warned = jest.spyOn(process, 'emitWarning').mockImplementation((warning) => {
      warnings.push(String(warning));
    });
  });
  afterAll(() => {
    warned.mockRestore();
  });

  it('ends as it should when none fails', async () => {
    const files = swept.files();
    warnings = [];
    const told = await swept.work(files);

    expect(warnings).toEqual([]);
    expect(await swept.outcome(files, told)).toEqual(swept.right);
  });

  it.each(CODES)(
    '%s: is told or mended, harms no process, loses nothing acknowledged, and the work goes on',
    async (code) => {
      const whole = swept.files();
      await swept.work(whole);
      const step = everyNth(...every);
      const first = 1 + (code.charCodeAt(1) % step);
      for (let at = first; at <= whole.calls; at += step) {
        tally('errors', 1);
        const files = swept.files();
        let hit = '';
        files.fate = ({ number, name, path }) => {
          if (number !== at) return undefined;
          hit = `${name} ${path}`;
          return { error: errno(code, path) };
        };
        warnings = [];
        const told = await swept.work(files);
        files.fate = () => undefined;

        const isToldOrMended = await swept.isToldOrMended(told, files, warnings);
        expect([at, hit, isToldOrMended]).toEqual([at, hit, true]);
        expect([at, hit, await swept.outcome(files, told)]).toEqual([at, hit, swept.right]);
      }
    },
    600_000,
  );
}
