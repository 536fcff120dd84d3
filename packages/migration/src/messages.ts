/**
 * What the two agents of a migration say to each other. Every message names the attempt (`epoch`) it belongs to, so that a
 * delayed one can never act on a later attempt. A side that is asked answers with the message of its present state.
 */
export type SourceMessage = {
  /**
   * hello: start; commit: run, I never will again; abort: give up; query: where are you? severed: the same, and in post-copy
   * no more memory will come.
   */
  readonly kind: 'hello' | 'commit' | 'abort' | 'query' | 'severed';
  readonly epoch: number;
  readonly reason?: string;
};

export type TargetMessage = {
  /**
   * prepared: QEMU waits for the stream; ready: everything is loaded and paused; committed: the commit is on disk;
   * running: vCPUs execute; aborted: on disk that this attempt never runs here; unknown: never heard of this attempt;
   * inquire: I am ready, what now? After a commit in post-copy `running` is said while memory is missing, then whole: it has
   * all arrived, torn: the stream of memory broke, join it again, or lost: the guest died here.
   */
  readonly kind:
    | 'prepared'
    | 'ready'
    | 'committed'
    | 'running'
    | 'whole'
    | 'torn'
    | 'lost'
    | 'aborted'
    | 'unknown'
    | 'inquire';
  readonly epoch: number;
  readonly reason?: string;
};
