/** What somebody might put where an event stands, with a right checksum. */
export const listedHostile: readonly string[] = [
  '{"__proto__":{"polluted":1}}',
  '{"type":"run.started","runId":"__proto__","seq":1,"at":1,"name":"x","plan":[{"__proto__":1}]}',
  '{"type":"run.started","runId":"book","seq":1,"at":1e99,"name":"x","plan":[]}',
  '{"type":"step.completed","runId":"book","seq":1,"at":1,"path":"s0","agent":"a","attempt":1,"duration":1,"output":{"__proto__":{"polluted":1}}}',
  `{"type":"step.completed","runId":"book","seq":1,"at":1,"path":"s0","agent":"a","attempt":1,"duration":1,"output":${'['.repeat(100000)}${']'.repeat(100000)}}`,
  '{"type":"constructor","runId":"book"}',
  '{"type":"toString"}',
  '[]',
  'null',
  '"x"',
  '{',
  '{"type":"store.imported","runId":"book","state":{"steps":[]}}',
];

const values: readonly string[] = [
  '{"__proto__":{"polluted":1}}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  '"__proto__"',
  '"../../../../etc/passwd"',
  '"\\u0000"',
  '"\\ud800"',
  '1e999',
  '-1',
  '9007199254740993',
  '0.5',
  'null',
  'true',
  '[]',
  '{}',
  '""',
  `"${'x'.repeat(10_000)}"`,
  `${'['.repeat(2_000)}${']'.repeat(2_000)}`,
  `${'{"a":'.repeat(300)}1${'}'.repeat(300)}`,
];

/** JSON text like this one, in which something is what nobody expects there: a listed record, a strange value, a key twice. */
export function hostileRecord(json: string, draw: () => number): string {
  const one = <T>(list: readonly T[]): T => list[Math.floor(draw() * list.length)]!;
  if (draw() < 0.1) return one(listedHostile);
  const places = [...json.matchAll(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|true|false|null|\[\]|\{\}/g)];
  if (places.length === 0) return one(values);
  const { 0: token, index } = one(places);
  const isKey = json[index + token.length] === ':';
  const put = isKey ? one(['"__proto__"', '"constructor"', '"toString"', '"type"', '"state"']) : one(values);
  return json.slice(0, index) + put + json.slice(index + token.length);
}
