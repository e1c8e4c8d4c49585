// What the sources take for granted where Node is; browsers get what adapters/browser has in its stead.
export { Buffer } from 'node:buffer';
export { default as process } from 'node:process';
