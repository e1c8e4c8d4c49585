const { setTimeout } = require('node:timers');
const vm = require('node:vm');

const { TestEnvironment } = require('jest-environment-node');

/*
 * A spec runs in a context of its own, where each look at a global asks that context first: half of the time of what computes.
 * These stand around each module instead. What fake timers replace may not be among them.
 */
const GLOBALS =
  'Array, Boolean, BigInt, Error, Function, JSON, Map, Math, Number, Object, Promise, Proxy, RangeError, Reflect, RegExp, Set, String, ' +
  'Symbol, TypeError, Uint8Array, WeakMap, WeakRef, WeakSet';
const globalsOf = new WeakMap();

/*
 * Each spec file loads all modules anew. What V8 has made of a module for one file serves the next one, with the functions that were
 * called there: compiling some 300 modules was half of the time of a small spec file.
 */
const known = new Map();
/** Those of this spec file of which nothing was known. */
const fresh = new Map();

const { compileFunction } = vm;

vm.compileFunction = (source, parameters, options) => {
  const { parsingContext, filename, importModuleDynamically } = options ?? {};
  if (parsingContext === undefined) return compileFunction(source, parameters, options);
  const names = parameters.join();
  const before = known.get(filename);
  const isKnown = before !== undefined && before.source === source && before.names === names;
  const head = `(function (${GLOBALS}) { return function (${names}) {`;
  const script = new vm.Script(isKnown ? before.text : `${head}${source}\n}})`, {
    filename,
    importModuleDynamically,
    columnOffset: -head.length,
    cachedData: isKnown ? before.data : undefined,
  });
  if (!isKnown) fresh.set(filename, { source, names, text: `${head}${source}\n}})`, script });
  let globals = globalsOf.get(parsingContext);
  if (globals === undefined) {
    globals = vm.runInContext(`[${GLOBALS}]`, parsingContext);
    globalsOf.set(parsingContext, globals);
  }
  return script.runInContext(parsingContext)(...globals);
};

/*
 * MILLRACE_STALLS=20 holds a spec's thread up again and again, for 20 ms on average and now and then for ten times that, as a busy
 * machine does: which tests only pass while timers are punctual? It costs no CPU.
 */
const meanStall = Number(process.env.MILLRACE_STALLS ?? 0);
if (meanStall > 0) {
  const nobodyWakes = new Int32Array(new SharedArrayBuffer(4));
  const drawn = () => -Math.log(1 - Math.random()) * meanStall;
  const stall = () => {
    Atomics.wait(nobodyWakes, 0, 0, drawn());
    setTimeout(stall, drawn()).unref();
  };
  stall();
}

module.exports = class extends TestEnvironment {
  async teardown() {
    for (const [filename, { script, ...module }] of fresh)
      known.set(filename, { ...module, data: script.createCachedData() });
    fresh.clear();
    await super.teardown();
  }
};
