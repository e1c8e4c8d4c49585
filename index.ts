/**
 * Multi-agent workflows as RxJS streams: typed, observable, and able to resume where they stopped.
 *
 * @packageDocumentation
 */
export {};
