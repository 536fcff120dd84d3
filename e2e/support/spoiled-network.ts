import { GodwitError } from '@godwit/core/errors';
import { resources } from '@godwit/api';
import { namespace } from '../../apps/cli/src/commands/demo/objects.ts';
import { createNetwork } from '../../packages/node-agent/test/migration/network.ts';
import type { Network } from '../../packages/node-agent/test/migration/network.ts';
import { portsOf } from '../../packages/node-agent/src/moves/outcome.ts';
import { eventually } from './eventually.ts';
import { instanceOf, nodeOf } from './guest.ts';
import type { GuestUnderTest } from './guest.ts';
import { migrationOf } from './move.ts';
import type { Move } from './move.ts';
import { aimAtProcess, pauseSupervisor } from './processes.ts';

export interface NetworkedMove extends AsyncDisposable {
  readonly move: Move;
  readonly network: Network;
}

/**
 * A move to the other node whose three connections pass through a network that a test can spoil. The agent of the source is kept
 * down until it can read nothing but the ports of that network: it would connect within milliseconds.
 */
export async function moveThroughNetwork(
  subject: GuestUnderTest,
  request: () => Promise<Move>,
): Promise<NetworkedMove> {
  const { pair, at, guest } = subject;
  const strike = await aimAtProcess(pair.layout, `${at.cluster.name}/node-${await nodeOf(subject)}`);
  const supervisor = await pauseSupervisor(pair);
  let network: Network | undefined;
  try {
    const killed = strike();
    const move = await request();
    const uid = (await migrationOf(move.source, move.name))?.metadata.uid;
    const published = await eventually('the target to listen', async () => {
      const state = (await instanceOf(subject, at))?.status?.migrationState;
      return state?.migrationUid === uid && state?.targetDirectMigrationNodePorts;
    });
    const ports = portsOf(published);
    if (ports === undefined) throw new GodwitError('E2E_PORTS_MISSING', JSON.stringify(published));
    network = await createNetwork(ports);
    const { control, memory, block } = network.ports;
    const gone = Object.fromEntries(Object.keys(published).map((port) => [port, null]));
    const instead = { ...gone, [control]: 0, [memory]: 49152, [block]: 49153 };
    const migrationState = {
      targetDirectMigrationNodePorts: instead,
      targetState: { directMigrationNodePorts: instead },
    };
    const patch = { status: { migrationState } };
    await at.cluster.client.patch(resources.virtualMachineInstances, guest.name, namespace, { type: 'merge', patch });
    supervisor.resume();
    await killed.revived();
    const made = network;
    return { move, network: made, [Symbol.asyncDispose]: () => made[Symbol.asyncDispose]() };
  } catch (error) {
    supervisor.resume();
    await network?.[Symbol.asyncDispose]();
    throw error;
  }
}
