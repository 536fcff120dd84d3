import type { ObjectWriter, SubresourceReply, SubresourceRequest } from '@godwit/api-server';
import type { KubeObject, VirtualMachine, VirtualMachineInstance } from '@godwit/api';
import { isTrue, names, resources, startPaused } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import { badRequest, conflict, notFound } from '../refuse.ts';
import { asControllers } from '../users.ts';

const ACCEPTED: SubresourceReply = { code: 202 };

interface Subject {
  readonly vm: VirtualMachine;
  readonly vmi: VirtualMachineInstance | undefined;
  readonly strategy: string;
  readonly dryRun: boolean;
}

function isFinal(vmi: VirtualMachineInstance): boolean {
  return vmi.status?.phase === 'Succeeded' || vmi.status?.phase === 'Failed';
}

function load(request: SubresourceRequest, writer: ObjectWriter): Subject {
  // The casts are safe: the reader returns objects of the kind it was asked for.
  const vm = writer.get(resources.virtualMachines, request.name, request.namespace) as VirtualMachine | undefined;
  if (!vm) throw notFound('virtualmachine.kubevirt.io', request.name);
  const vmi = writer.get(resources.virtualMachineInstances, request.name, request.namespace) as
    | VirtualMachineInstance
    | undefined;
  const strategy = vm.spec.runStrategy ?? (vm.spec.running === true ? 'Always' : 'Halted');
  const dryRun =
    isObject(request.body) && Array.isArray(request.body['dryRun']) && request.body['dryRun'].includes('All');
  return { vm, vmi, strategy, dryRun };
}

function option(request: SubresourceRequest, name: string): unknown {
  return isObject(request.body) ? request.body[name] : undefined;
}

type Change = (object: KubeObject) => void;

async function changeVm(
  request: SubresourceRequest,
  writer: ObjectWriter,
  mutate: Change,
  subresource?: 'status',
): Promise<SubresourceReply> {
  await writer.modify(resources.virtualMachines, request.name, request.namespace, mutate, asControllers, subresource);
  return ACCEPTED;
}

/** Sets the run strategy, also for VMs that still use the deprecated `running`. */
function withStrategy(strategy: 'Always' | 'Halted'): Change {
  return (object) => {
    const { spec } = object as VirtualMachine;
    if (spec.running === undefined) spec.runStrategy = strategy;
    else spec.running = strategy === 'Always';
  };
}

function withRequests(
  requests: readonly {
    readonly action: 'Start' | 'Stop';
    readonly uid?: string;
    readonly data?: Readonly<Record<string, string>>;
  }[],
): Change {
  return (object) => {
    const vm = object as VirtualMachine;
    vm.status = { ...vm.status, stateChangeRequests: requests.map((request) => ({ ...request })) };
  };
}

async function start(request: SubresourceRequest, writer: ObjectWriter): Promise<SubresourceReply> {
  const { vm, vmi, strategy, dryRun } = load(request, writer);
  if (vmi && !isFinal(vmi) && vmi.metadata.deletionTimestamp === undefined) throw conflict('VM is already running');
  if (isTrue(vm.status?.conditions, 'ManualRecoveryRequired')) {
    throw conflict(
      'VM needs manual recovery before it may start: set its volumes back to the sources of the last move, or remove spec.updateVolumesStrategy to accept the targets',
    );
  }
  if (strategy === 'Always' || strategy === 'Once' || strategy === 'WaitAsReceiver')
    throw conflict(`${strategy} does not support manual start requests`);
  const paused = option(request, 'paused') ?? false;
  if (typeof paused !== 'boolean') throw badRequest('paused must be true or false');
  if (dryRun) return ACCEPTED;
  if (strategy === 'Halted' && !paused) return await changeVm(request, writer, withStrategy('Always'));
  const asked = { action: 'Start', ...(paused && { data: startPaused }) } as const;
  await changeVm(request, writer, withRequests([asked]), 'status');
  return strategy === 'Halted' ? await startHalted(request, writer) : ACCEPTED;
}

/** How a start is asked for is known before the start; a start that is refused after that leaves no request behind. */
async function startHalted(request: SubresourceRequest, writer: ObjectWriter): Promise<SubresourceReply> {
  try {
    return await changeVm(request, writer, withStrategy('Always'));
  } catch (error) {
    await changeVm(request, writer, withRequests([]), 'status');
    throw error;
  }
}

async function shortenGrace(request: SubresourceRequest, writer: ObjectWriter, seconds: number): Promise<void> {
  await writer.modify(
    resources.virtualMachineInstances,
    request.name,
    request.namespace,
    (object) => {
      (object as VirtualMachineInstance).spec.terminationGracePeriodSeconds = seconds;
    },
    asControllers,
  );
}

async function stop(request: SubresourceRequest, writer: ObjectWriter): Promise<SubresourceReply> {
  const { vmi, strategy, dryRun } = load(request, writer);
  const alive = vmi !== undefined && !isFinal(vmi);
  const grace = option(request, 'gracePeriod');
  if (grace !== undefined && (typeof grace !== 'number' || grace < 0))
    throw badRequest('gracePeriod must be a number of seconds, 0 or more');
  if (strategy === 'Halted' && !alive) throw conflict('VM is not running');
  if ((strategy === 'Manual' || strategy === 'RerunOnFailure') && !alive) throw conflict('VM is not running');
  if (strategy === 'WaitAsReceiver')
    throw conflict('WaitAsReceiver does not support manual stop requests; set spec.runStrategy');
  if (dryRun) return ACCEPTED;
  if (alive && typeof grace === 'number') await shortenGrace(request, writer, grace);
  if (strategy === 'Manual' || strategy === 'RerunOnFailure') {
    return await changeVm(request, writer, withRequests([{ action: 'Stop', uid: vmi?.metadata.uid ?? '' }]), 'status');
  }
  return await changeVm(request, writer, withStrategy('Halted'));
}

async function restart(request: SubresourceRequest, writer: ObjectWriter): Promise<SubresourceReply> {
  const { vm, vmi, strategy, dryRun } = load(request, writer);
  const grace = option(request, 'gracePeriodSeconds');
  if (grace !== undefined && grace !== 0)
    throw badRequest('for force restart, only gracePeriodSeconds=0 is supported for now');
  if (strategy === 'Halted' || strategy === 'Once' || strategy === 'WaitAsReceiver')
    throw conflict(`${strategy} does not support manual restart requests`);
  if (!vmi || isFinal(vmi)) throw conflict('VM is not running');
  if (isTrue(vm.status?.conditions, 'VolumesChange'))
    throw conflict('VM recovery required: a volume migration is under way');
  if (dryRun) return ACCEPTED;
  if (grace === 0) await shortenGrace(request, writer, 0);
  return await changeVm(
    request,
    writer,
    withRequests([{ action: 'Stop', uid: vmi.metadata.uid ?? '' }, { action: 'Start' }]),
    'status',
  );
}

async function migrate(request: SubresourceRequest, writer: ObjectWriter): Promise<SubresourceReply> {
  const { vmi, dryRun } = load(request, writer);
  if (!vmi) throw notFound('virtualmachineinstance.kubevirt.io', request.name);
  if (vmi.status?.phase !== 'Running') throw conflict('VM is not running');
  const added = option(request, 'addedNodeSelector');
  await writer.create(
    resources.virtualMachineInstanceMigrations,
    {
      apiVersion: 'kubevirt.io/v1',
      kind: 'VirtualMachineInstanceMigration',
      metadata: {
        generateName: 'kubevirt-migrate-vm-',
        namespace: request.namespace,
        labels: { [names.vmiNameLabel]: request.name },
      },
      spec: { vmiName: request.name, ...(isObject(added) ? { addedNodeSelector: added } : {}) },
    },
    asControllers,
    { dryRun },
  );
  return ACCEPTED;
}

export const virtualMachineVerbs: Readonly<
  Record<string, (request: SubresourceRequest, writer: ObjectWriter) => Promise<SubresourceReply>>
> = {
  start,
  stop,
  restart,
  migrate,
};
