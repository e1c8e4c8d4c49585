/*
 * In the place of fast-check where MILLRACE_SEED is set: the same, with that seed. See jest.config.js.
 */
const fc = require('./node_modules/fast-check/lib/cjs/fast-check.js');

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(process.env.MILLRACE_SEED) });

module.exports = fc;
