import type { GuestUnderTest } from './guest.ts';
import { targetPodOf } from './move.ts';
import type { Move } from './move.ts';
import { killProcess, killQemu } from './processes.ts';

export type Fault = 'the source node agent' | 'the target node agent' | 'the target QEMU' | 'the API server';

/** `kill -9` of one party to a move. `revived` resolves once the supervisor has started it again, where it is to. */
export async function inflict(
  fault: Fault,
  subject: GuestUnderTest,
  move: Move,
): Promise<{ revived(): Promise<void> }> {
  const { layout } = subject.pair;
  switch (fault) {
    case 'the source node agent':
      return killProcess(layout, `${move.source.name}/node-${move.fromNode}`);
    case 'the target node agent': {
      const { cluster, node } = await targetPodOf(move);
      return killProcess(layout, `${cluster}/node-${node}`);
    }
    case 'the target QEMU': {
      const { cluster, node, uid } = await targetPodOf(move);
      await killQemu(layout, cluster, node, uid);
      return { revived: async () => undefined };
    }
    case 'the API server':
      return killProcess(layout, `${move.source.name}/api-server`);
  }
}
