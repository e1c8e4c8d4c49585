import { createHash as createHashOfNode } from 'node:crypto';

import * as fc from 'fast-check';

import { createHash } from '../../adapters/browser/crypto';
import { packed } from '../../adapters/browser/packed';
import { deflateRawSync, inflateRawSync } from '../../adapters/browser/zlib';

const ANY_LENGTH = { maxOutputLength: Number.MAX_SAFE_INTEGER };

describe('what browsers have in place of node:crypto', () => {
  it('hashes as Node does, in one piece or several', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 4 }), (pieces) => {
        const ours = createHash('sha256');
        const theirs = createHashOfNode('sha256');
        for (const piece of pieces) {
          ours.update(piece);
          theirs.update(piece);
        }
        expect(ours.digest('hex')).toBe(theirs.digest('hex'));
      }),
    );
  });

  it.each([0, 1, 55, 56, 63, 64, 119, 120, 100_000])('hashes %d bytes as Node does', (length) => {
    const text = 'é'.repeat(length / 2) + 'x'.repeat(length % 2);
    expect(createHash('sha256').update(text).digest('base64url')).toBe(
      createHashOfNode('sha256').update(text).digest('base64url'),
    );
  });
});

describe('what browsers have in place of node:zlib', () => {
  it('unpacks what it has packed', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 2_000 }),
      fc
        .array(fc.constantFrom('step.completed', 'a', '0123456789'.repeat(40), '\u{1F600}'), {
          maxLength: 200,
        })
        .map((words) => new TextEncoder().encode(words.join(''))),
    );
    fc.assert(
      fc.property(bytes, (given) => {
        expect([...inflateRawSync(deflateRawSync(given), ANY_LENGTH)]).toEqual([...given]);
      }),
    );
  });

  it('unpacks what stands further apart than it can look back', () => {
    const noise = Array.from({ length: 70_000 }, (_, at) => (at * at * 31 + at * 17) & 255);
    const given = Uint8Array.from([...noise, ...noise]);
    expect(Buffer.from(inflateRawSync(deflateRawSync(given), ANY_LENGTH)).equals(given)).toBe(true);
  });

  it('packs events to a fifth', () => {
    const events = Array.from({ length: 400 }, (_, seq) => ({
      ...{
        type: 'step.completed',
        seq,
        at: 1_790_000_000_000 + seq * 317,
        path: `pages[${String(seq)}]/ocr`,
      },
      ...{
        agent: 'ocr',
        attempt: 1,
        duration: (seq * 7919) % 1_000,
        output: { text: `page ${String(seq)}` },
      },
    }));
    const given = new TextEncoder().encode(events.map((event) => JSON.stringify(event)).join('\n'));
    expect(packed(given).length).toBeLessThan(given.length / 5);
  });

  it('does not unpack more than asked', () => {
    const many = deflateRawSync(new Uint8Array(1_000));
    expect(() => inflateRawSync(many, { maxOutputLength: 999 })).toThrow(
      'Cannot inflate more than 999 bytes',
    );
  });
});
