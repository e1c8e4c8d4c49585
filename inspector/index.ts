/**
 * A page on runs: which step failed and why, what ran when, how the state was at any moment, what a rerun would repeat; and a run
 * as one file of HTML.
 *
 * @packageDocumentation
 */
export type { ExportHtmlOptions } from './exportHtml';
export { exportHtml } from './exportHtml';
export { graphSvg } from './graphSvg';
export type { Inspector, InspectorOptions, Listening, ListenOptions } from './inspector';
export { inspector } from './inspector';
