import type { Logger } from '@godwit/core/logger';
import type { Machine } from '@godwit/hypervisor';
import { restoreSource } from './restore-source.ts';
import type { SourceContext } from './source-context.ts';
import type { SourceCopy } from './source-copy.ts';
import type { SourceStream } from './source-stream.ts';

/** Ends a copy, or what a former agent has left of one, and makes the guest run here again. */
export async function giveBack(
  machine: Machine | undefined,
  { copyDisks, postCopy, paused = false }: SourceContext,
  options: {
    readonly copy: SourceCopy | undefined;
    readonly stream: SourceStream;
    readonly log: Logger;
    readonly hindered: (why: string | undefined) => void;
    readonly stopped: AbortSignal;
  },
): Promise<'running' | 'gone'> {
  const { copy, stream, log, hindered, stopped } = options;
  copy?.stop();
  const maybeSplit = copy?.isSplit() ?? postCopy === true;
  const restore = () => restoreSource(machine, copyDisks, log, hindered, stopped, maybeSplit, paused);
  // Beside it, so that it cannot hold the guest: the connections are cut anyway, unless the guest needs them.
  const closed = maybeSplit ? undefined : stream.close();
  const result = await restore();
  // A step of the copy may have been under way meanwhile: look again once it is over.
  await copy?.over;
  await (closed ?? stream.close());
  return copy === undefined ? result : restore();
}
