/** The type of a value as a word for messages, never the value itself: `array`, `Map`, `NaN`, `an instance of Invoice`. */
export function typeName(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) {
    const name = className(value);
    return name === 'Array' || name === undefined ? 'array' : `an instance of ${name}`;
  }
  if (typeof value === 'number') return Number.isFinite(value) ? 'number' : String(value);
  if (typeof value !== 'object') return typeof value;
  const name = className(value);
  if (name === undefined || name === 'Object')
    return hasRootPrototype(value) ? 'object' : 'an object with a prototype';
  return BUILT_IN.has(name) ? `a ${name}` : `an instance of ${name}`;
}

const BUILT_IN: ReadonlySet<string> = new Set([
  'Map',
  'Set',
  'WeakMap',
  'WeakSet',
  'Date',
  'RegExp',
  'Promise',
  'Buffer',
]);

function hasRootPrototype(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** The name of the class, unless a stranger's object makes trouble when asked. */
function className(value: object): string | undefined {
  try {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === null || typeof prototype !== 'object') return undefined;
    const make: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
    return typeof make === 'function' && typeof make.name === 'string' && make.name !== ''
      ? make.name.slice(0, 64)
      : undefined;
  } catch {
    return undefined;
  }
}
