import type { GuestUnderTest } from './guest.ts';
import { sourcePodOf, targetPodOf, untilInside, untilPercent } from './move.ts';
import type { Move } from './move.ts';
import { aimAtCarrier, aimAtProcess, aimAtQemu, aimAtSupervisor } from './processes.ts';
import type { Blow } from './processes.ts';

export type Party =
  | 'the source node agent'
  | 'the target node agent'
  | 'the source QEMU'
  | 'the target QEMU'
  | 'the source carrier'
  | 'the target carrier'
  | 'the API server'
  | 'the controllers'
  | 'the API server of the target'
  | 'the controllers of the target'
  | 'the supervisor';

/** How far the copy is when the blow falls; `the switchover`: the guest has just been paused. */
export type Point = '10 %' | '50 %' | '90 %' | 'the switchover';
export type Fault = readonly [party: Party, point: Point];
type CopyStage = Parameters<typeof untilInside>[1];

/** Finds the process beforehand: a switchover is over in a few hundredths of a second. */
async function aim(party: Party, subject: GuestUnderTest, move: Move): Promise<Blow> {
  const { layout } = subject.pair;
  const source = move.source.name;
  switch (party) {
    case 'the source node agent':
      return aimAtProcess(layout, `${source}/node-${move.fromNode}`);
    case 'the source carrier':
      return aimAtCarrier(layout, `${source}/node-${move.fromNode}`);
    case 'the API server':
      return aimAtProcess(layout, `${source}/api-server`);
    case 'the controllers':
      return aimAtProcess(layout, `${source}/controllers`);
    case 'the API server of the target':
      return aimAtProcess(layout, `${move.to.cluster.name}/api-server`);
    case 'the controllers of the target':
      return aimAtProcess(layout, `${move.to.cluster.name}/controllers`);
    case 'the supervisor':
      return aimAtSupervisor(subject.pair);
    case 'the source QEMU': {
      const { cluster, node, uid } = await sourcePodOf(subject, move);
      return aimAtQemu(layout, cluster, node, uid);
    }
    case 'the target node agent':
    case 'the target carrier':
    case 'the target QEMU': {
      const { cluster, node, uid } = await targetPodOf(move);
      if (party === 'the target QEMU') return aimAtQemu(layout, cluster, node, uid);
      const agent = `${cluster}/node-${node}`;
      return party === 'the target carrier' ? aimAtCarrier(layout, agent) : aimAtProcess(layout, agent);
    }
  }
}

/** `kill -9` of one party to a move. `revived` resolves once the supervisor has started it again, where it is to. */
export async function inflict(
  [party, point]: Fault,
  subject: GuestUnderTest,
  move: Move,
  stage: CopyStage,
): Promise<{ revived(): Promise<void> }> {
  const switchover = subject.runners.nextStop();
  await untilInside(move, stage);
  const strike = await aim(party, subject, move);
  await (point === 'the switchover' ? switchover : untilPercent(move, stage, Number.parseInt(point, 10)));
  return strike();
}
