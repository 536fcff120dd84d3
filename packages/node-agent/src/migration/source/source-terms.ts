import type { MachineSpec } from '@godwit/hypervisor';
import type { SourceContext } from './source-context.ts';
import type { SourceOptions } from '../types.ts';
import type { Offer, TargetWire } from '../wire.ts';

type Answer = Pick<Extract<TargetWire, { type: 'handover' }>, 'postCopy' | 'multifdChannels'>;

/** What a source proposes to its target, and what both can do, which the target says once it is prepared. */
export interface SourceTerms {
  /** For memory, at most. */
  readonly connections: number;
  offer(spec: MachineSpec): Offer;
  /** Returns what the policy allows and cannot be done. */
  answered(answer: Answer): string | undefined;
  /** As the target has accepted. */
  multifdChannels(): number;
  /** Why memory cannot come by post-copy; undefined: it can. */
  postCopyProblem(): string | undefined;
}

export function sourceTerms(
  { copyDisks, postCopy, paused }: SourceContext,
  live: Pick<SourceOptions, 'configuration' | 'postCopyProblem' | 'multifdChannels'> | undefined,
): SourceTerms {
  /** Never beside post-copy: QEMU would not refuse it, and it does not work. */
  const wantedChannels = postCopy === true ? 0 : (live?.multifdChannels ?? 0);
  let accepted: { readonly postCopy: boolean; readonly channels: number } = { postCopy: false, channels: 0 };
  const terms: SourceTerms = {
    connections: 1 + wantedChannels,
    offer: (spec) => ({
      protocol: 1,
      spec,
      copyDisks,
      ...(postCopy && { postCopy }),
      ...(paused && { paused }),
      ...(wantedChannels > 0 && { multifdChannels: wantedChannels }),
    }),
    answered(answer) {
      accepted = {
        postCopy: answer.postCopy === true,
        channels: answer.multifdChannels === wantedChannels ? wantedChannels : 0,
      };
      const problem = live?.configuration.allowPostCopy === true ? terms.postCopyProblem() : undefined;
      return problem && `Post-copy is allowed, and not possible, because ${problem}`;
    },
    multifdChannels: () => accepted.channels,
    postCopyProblem: () =>
      live?.postCopyProblem ??
      (postCopy === true && !accepted.postCopy ? 'the target node has no userfaultfd for its QEMU' : undefined),
  };
  return terms;
}
