/**
 * What the two agents of a migration say to each other. Every message names the attempt (`epoch`) it belongs to, so that a
 * delayed one can never act on a later attempt. A side that is asked answers with the message of its present state.
 */
export type SourceMessage = {
  /** hello: start; commit: run, I never will again; abort: give up; query: where are you? */
  readonly kind: 'hello' | 'commit' | 'abort' | 'query';
  readonly epoch: number;
  readonly reason?: string;
};

export type TargetMessage = {
  /**
   * prepared: QEMU waits for the stream; ready: everything is loaded and paused; committed: the commit is on disk;
   * running: vCPUs execute; aborted: on disk that this attempt never runs here; unknown: never heard of this attempt;
   * inquire: I am ready, what now?
   */
  readonly kind: 'prepared' | 'ready' | 'committed' | 'running' | 'aborted' | 'unknown' | 'inquire';
  readonly epoch: number;
  readonly reason?: string;
};
