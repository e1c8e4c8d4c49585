// What the tags of the page become: scripts/page.mjs puts these names into each of its files.
export { h, Fragment } from 'preact';
