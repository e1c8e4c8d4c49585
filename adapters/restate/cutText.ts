/** The text, or so much of its beginning, with a mark that says how long it was. */
export function cutText(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest)}… (cut, of ${text.length} characters)`;
}
