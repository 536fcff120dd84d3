import { resources } from '@godwit/api';
import type { Stored, VirtualMachineInstance } from '@godwit/api';
import { GodwitError } from '@godwit/core/errors';
import { jsonEqual } from '@godwit/core/json';
import { isConflict, isInvalid } from '@godwit/kube-client';
import type { JsonPatchOperation, KubeClient } from '@godwit/kube-client';

export type VmiStatus = NonNullable<VirtualMachineInstance['status']>;

/** What a writer wants to be different; members set to `undefined` are removed. Absent members stay as they are. */
export interface VmiChange {
  readonly status?: { readonly [Field in keyof VmiStatus]?: VmiStatus[Field] | undefined };
  readonly labels?: Readonly<Record<string, string | undefined>>;
}

function pointer(segment: string): string {
  return segment.replaceAll('~', '~0').replaceAll('/', '~1');
}

function fieldOperations(
  parent: string,
  have: Readonly<Record<string, unknown>> | undefined,
  want: Readonly<Record<string, unknown>> | undefined,
): JsonPatchOperation[] {
  const operations: JsonPatchOperation[] = [];
  for (const [field, value] of Object.entries(want ?? {})) {
    const old = have?.[field];
    if (jsonEqual(old, value)) continue;
    const path = `${parent}/${pointer(field)}`;
    operations.push(value === undefined ? { op: 'remove', path } : { op: 'add', path, value });
  }
  if (operations.length > 0 && have === undefined) return [{ op: 'add', path: parent, value: {} }, ...operations];
  return operations;
}

/** The smallest JSON patch that makes the change, valid only for exactly this version of the object; empty when there is none to make. */
export function vmiPatch(vmi: Stored<VirtualMachineInstance>, change: VmiChange): readonly JsonPatchOperation[] {
  const operations = [
    ...fieldOperations('/status', vmi.status as Record<string, unknown> | undefined, change.status),
    ...fieldOperations('/metadata/labels', vmi.metadata.labels, change.labels),
  ];
  if (operations.length === 0) return [];
  return [{ op: 'test', path: '/metadata/resourceVersion', value: vmi.metadata.resourceVersion }, ...operations];
}

const ATTEMPTS = 10;

/**
 * Reads a VMI, asks what to change, writes it, and starts over when somebody else wrote in between. Resolves with the
 * object as it is then, or `undefined` when it is gone or another one has its name.
 */
export async function changeVmi(
  client: KubeClient,
  key: { readonly namespace: string; readonly name: string; readonly uid: string },
  decide: (vmi: Stored<VirtualMachineInstance>) => VmiChange | undefined,
  cached?: Stored<VirtualMachineInstance>,
): Promise<Stored<VirtualMachineInstance> | undefined> {
  let seen = cached;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    seen ??= await client.get<VirtualMachineInstance>(resources.virtualMachineInstances, key.name, key.namespace);
    if (!seen || seen.metadata.uid !== key.uid) return undefined;
    const change = decide(seen);
    const patch = change === undefined ? [] : vmiPatch(seen, change);
    if (patch.length === 0) return seen;
    try {
      return await client.patch<VirtualMachineInstance>(resources.virtualMachineInstances, key.name, key.namespace, {
        type: 'json',
        patch,
      });
    } catch (error) {
      if (!isConflict(error) && !isInvalid(error)) throw error;
      seen = undefined;
    }
  }
  throw new GodwitError(
    'VMI_CONTENDED',
    `VirtualMachineInstance ${key.namespace}/${key.name} changes too often to be written`,
    {
      retry: 'backoff',
    },
  );
}
