import { resources } from '@godwit/api';
import type { KubeObject, ResourceKind, Stored, VirtualMachine } from '@godwit/api';
import { backoffMs } from '@godwit/core/backoff';
import { isAlreadyExists, isKubeApiError } from '@godwit/kube-client';
import type { ControllerContext } from '../context.ts';
import type { MachinePlan } from './seen.ts';

const FIRST_DELAY_MS = 5_000;
const LONGEST_DELAY_MS = 300_000;
/** Answers that the same request gets again until somebody changes something. */
const REFUSED: readonly number[] = [400, 403, 422];

/** What the API server said when it refused an object of a VM, and when that is tried again. */
export interface Refusal {
  readonly message: string;
  readonly retryAtMs: number;
  readonly attempts: number;
  /** Of the VM: a change of its spec is tried at once. */
  readonly generation: number | undefined;
  readonly uid: string;
}

/** Of this VM with this spec. */
export function isAbout({ uid, generation }: Refusal, { metadata }: Stored<VirtualMachine>): boolean {
  return uid === metadata.uid && generation === metadata.generation;
}

export function nextRefusal(
  vm: Stored<VirtualMachine>,
  known: Refusal | undefined,
  message: string,
  nowMs: number,
): Refusal {
  const attempts = (known?.attempts ?? 0) + 1;
  const retryAtMs = nowMs + backoffMs(attempts - 1, FIRST_DELAY_MS, LONGEST_DELAY_MS);
  return { message, retryAtMs, attempts, generation: vm.metadata.generation, uid: vm.metadata.uid };
}

/** `made`: by this pass; `existed`: by an earlier one that the cache does not show yet; else why it is refused. */
async function create(
  { client }: ControllerContext,
  resource: ResourceKind,
  object: KubeObject,
): Promise<'made' | 'existed' | { readonly refused: string }> {
  try {
    await client.create(resource, object);
    return 'made';
  } catch (error) {
    if (isAlreadyExists(error)) return 'existed';
    if (!isKubeApiError(error) || !REFUSED.includes(error.details.status)) throw error;
    return { refused: error.details.body?.message ?? error.message };
  }
}

/** Makes the DataVolumes and the VMI that a VM lacks, and tells its events. Answers what is refused, in words. */
export async function createObjects(
  context: ControllerContext,
  vm: Stored<VirtualMachine>,
  plan: Pick<MachinePlan, 'createDataVolumes' | 'createInstance' | 'createEvents'>,
): Promise<string | undefined> {
  const { events } = context;
  const refused: string[] = [];
  const refuse = (reason: string, message: string): void => {
    refused.push(message);
    events.record(vm, 'Warning', reason, message);
  };
  for (const dataVolume of plan.createDataVolumes) {
    const name = dataVolume.metadata.name ?? '';
    const answer = await create(context, resources.dataVolumes, dataVolume);
    if (answer === 'made') events.record(vm, 'Normal', 'SuccessfulDataVolumeCreate', `Created DataVolume ${name}`);
    else if (answer !== 'existed')
      refuse('FailedDataVolumeCreate', `DataVolume ${name} cannot be created: ${answer.refused}`);
  }
  if (plan.createInstance) {
    const answer = await create(context, resources.virtualMachineInstances, plan.createInstance);
    if (answer === 'made')
      for (const { type, reason, message } of plan.createEvents ?? []) events.record(vm, type, reason, message);
    else if (answer !== 'existed')
      refuse('FailedCreate', `VirtualMachineInstance ${vm.metadata.name} cannot be created: ${answer.refused}`);
  }
  return refused.length === 0 ? undefined : refused.join('; ');
}
