import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { names, resources } from '@godwit/api';
import type {
  Pod,
  Stored,
  VirtualMachineInstance,
  VirtualMachineInstanceMigration,
  VmiMigrationState,
} from '@godwit/api';
import { waitFor } from '@godwit/core/wait';
import { buildBootSectorDisk } from '@godwit/hypervisor/testing';
import type { AgentHost } from './agent-host.ts';

export type Vmi = Stored<VirtualMachineInstance>;

/** Makes `example.org/boot` resolve to a disk of this size that a guest boots from. */
export async function offerBootImage(
  { root, images }: AgentHost,
  bytes: number,
  options?: Parameters<typeof buildBootSectorDisk>[2],
): Promise<void> {
  const image = join(root, 'boot.img');
  await buildBootSectorDisk(image, bytes, options);
  execFileSync('qemu-img', ['convert', '-O', 'qcow2', image, join(images, 'boot.qcow2')]);
  writeFileSync(join(images, 'catalogue.json'), JSON.stringify({ 'example.org/boot': 'boot.qcow2' }));
}

/** The VMI `vm`, as it is now. */
export async function vmiOf({ client }: AgentHost): Promise<Vmi> {
  const vmi = await client.get<VirtualMachineInstance>(resources.virtualMachineInstances, 'vm', 'default');
  if (!vmi) throw new Error('the VMI is gone');
  return vmi;
}

/** Waits for something of the VMI `vm`; a failure shows how its migration stood. */
export async function vmiWhen(
  host: AgentHost,
  what: string,
  holds: (vmi: Vmi) => boolean,
  timeoutMs: number,
): Promise<Vmi> {
  let last: Vmi | undefined;
  const look = async (): Promise<Vmi | undefined> => {
    last = await vmiOf(host);
    return holds(last) ? last : undefined;
  };
  try {
    return await waitFor(look, { timeoutMs, what });
  } catch (error) {
    throw new Error(`${what}: ${JSON.stringify(last?.status?.migrationState)}`, { cause: error });
  }
}

export function podOf({ client }: AgentHost, name: string): Promise<Stored<Pod> | undefined> {
  return client.get<Pod>(resources.pods, name, 'default');
}

/** Where the QEMU of a launcher pod has its sockets and its serial log. */
export async function runDirectoryOf(host: AgentHost, node: string, name: string): Promise<string> {
  return join(host.root, `r-${node}`, (await podOf(host, name))?.metadata.uid ?? '');
}

/** What the controllers make of a migration to another node: the pod to which the guest is to go. */
export async function createTargetPod(host: AgentHost, node: string, name = 'virt-launcher-vm-2'): Promise<void> {
  const { uid } = (await vmiOf(host)).metadata;
  await host.client.create<Pod>(resources.pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'default',
      labels: { 'kubevirt.io': 'virt-launcher', 'kubevirt.io/created-by': uid, [names.migrationJobUidLabel]: name },
      annotations: { 'kubevirt.io/domain': 'vm' },
    },
    spec: { nodeName: node, containers: [{ name: 'compute', image: 'launcher' }] },
  });
}

/** What the controllers do up to the hand-off: spec at the new claim, the volume change announced, the record written. */
export async function handOff(
  host: AgentHost,
  state: VmiMigrationState,
  claims?: { from: string; to: string },
  target = 'n2',
  annotations: Record<string, string> = {},
): Promise<void> {
  const vmim = await host.client.create<VirtualMachineInstanceMigration>(resources.virtualMachineInstanceMigrations, {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstanceMigration',
    metadata: { name: 'move', namespace: 'default', annotations },
    spec: { vmiName: 'vm' },
  });
  const volumes = claims && [
    {
      volumeName: 'rootdisk',
      sourcePVCInfo: { claimName: claims.from },
      destinationPVCInfo: { claimName: claims.to },
    },
  ];
  const vmi = await vmiOf(host);
  const patch = {
    metadata: { labels: { [names.migrationTargetNodeLabel]: target } },
    ...(claims && { spec: { volumes: [{ name: 'rootdisk', persistentVolumeClaim: { claimName: claims.to } }] } }),
    status: {
      ...(volumes && {
        migratedVolumes: volumes,
        conditions: [...(vmi.status?.conditions ?? []), { type: 'VolumesChange', status: 'True' }],
      }),
      migrationState: {
        migrationUid: vmim.metadata.uid,
        sourceNode: 'n1',
        sourcePod: 'virt-launcher-vm',
        migrationConfiguration: {},
        ...(volumes && { volumes }),
        ...state,
      },
    },
  };
  await host.client.patch(resources.virtualMachineInstances, 'vm', 'default', { type: 'merge', patch });
}
