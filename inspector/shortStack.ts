import { decoded } from './decoded';

/**
 * Frames of a stack, one a line, as they are shown to people. A module that a loader such as tsx hands to Node as its whole text, in a
 * URL of a thousand characters and more, is named by the file in it; its place is left out, which is one in what was compiled. Of any other
 * line of more than 120 characters the beginning and the end stay.
 */
export function shortStack(stack: string): string {
  return stack
    .replace(/data:\S+filePath=(.*?)(%3F|:)[^)\n]*/g, (_, file: string) => decoded(file))
    .replace(/(.{60})..+(.{59})/g, '$1…$2');
}
