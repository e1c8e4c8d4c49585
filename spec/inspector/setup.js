const { execFileSync } = require('node:child_process');
const { join } = require('node:path');

/** The page is built from its sources before it is looked at. */
module.exports = () => {
  execFileSync(process.execPath, [join(__dirname, '../../scripts/page.mjs')], { stdio: 'pipe' });
};
