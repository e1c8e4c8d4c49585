import { decoded } from './decoded';

/**
 * Frames of a stack, one a line, as they are shown to people. A loader such as tsx hands a module to Node as its whole text, in a URL of
 * a thousand characters and more: such a frame is shown with the file that the URL names, without line and column, which are those of the
 * compiled text. Of any other line of more than 120 characters the beginning and the end stay.
 */
export function shortStack(stack: string): string {
  return stack
    .replace(/data:\S+filePath=(.*?)(%3F|:)[^)\n]*/g, (_, file: string) => decoded(file))
    .replace(/(.{60})..+(.{59})/g, '$1…$2');
}
