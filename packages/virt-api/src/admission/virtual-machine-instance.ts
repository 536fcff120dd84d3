import type { AdmissionPlugin, AdmissionRequest } from '@godwit/api-server';
import type { Volume, VirtualMachineInstance } from '@godwit/api';
import { names } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import { forbidden, invalid } from '../refuse.ts';
import { agentNode, isAdministrator, isControllers } from '../users.ts';
import { defaultVmiSpec } from './defaults.ts';
import { volumeProblems } from './hotplugged-volumes.ts';
import { judgeVmiSpec } from './vmi-spec.ts';

const RESTRICTED_LABELS = [
  names.createdByLabel,
  names.migrationJobUidLabel,
  names.nodeNameLabel,
  names.migrationTargetNodeLabel,
  'kubevirt.io/schedulable',
  'kubevirt.io/install-strategy',
];

function read(
  request: AdmissionRequest,
): { vmi: VirtualMachineInstance; old: VirtualMachineInstance | undefined } | undefined {
  if (request.resource.plural !== 'virtualmachineinstances' || request.operation === 'DELETE') return undefined;
  // The casts are safe: plug-ins run on objects that the CRD schema has been applied to.
  return {
    vmi: request.object as VirtualMachineInstance,
    old: request.oldObject as VirtualMachineInstance | undefined,
  };
}

/** Volumes that changed although no copy of them was announced in `status.migratedVolumes`. */
function unannouncedChanges(vmi: VirtualMachineInstance, old: VirtualMachineInstance): string[] {
  const announced = new Set((old.status?.migratedVolumes ?? []).map((volume) => volume.volumeName));
  const before = new Map((old.spec.volumes ?? []).map((volume: Volume) => [volume.name, volume]));
  return (vmi.spec.volumes ?? [])
    .filter(({ name }) => before.has(name) && !announced.has(name))
    .filter((volume) => !jsonEqual(volume, before.get(volume.name)))
    .map((volume) => volume.name);
}

function checkSpecChange(request: AdmissionRequest, vmi: VirtualMachineInstance, old: VirtualMachineInstance): void {
  if (jsonEqual(vmi.spec, old.spec)) return;
  if (!isControllers(request.user)) {
    throw invalid({ kind: 'VirtualMachineInstance', name: request.name }, [
      { field: 'spec', message: 'is restricted; change the VirtualMachine instead', reason: 'FieldValueForbidden' },
    ]);
  }
  const problems = volumeProblems(vmi, old);
  if (problems.length === 0 && (vmi.spec.volumes ?? []).length > (old.spec.volumes ?? []).length)
    problems.push(...judgeVmiSpec(vmi.spec, 'spec', old.spec).problems);
  if (problems.length > 0) throw invalid({ kind: 'VirtualMachineInstance', name: request.name }, problems);
  const changed = unannouncedChanges(vmi, old);
  if (changed.length > 0) {
    throw invalid({ kind: 'VirtualMachineInstance', name: request.name }, [
      { field: 'spec.volumes', message: `${changed.join(', ')} changed but not named in status.migratedVolumes` },
    ]);
  }
}

/** The status says who runs the guest and who may take it over; the main resource carries it, as in KubeVirt. */
function checkStatusChange(request: AdmissionRequest, vmi: VirtualMachineInstance, old: VirtualMachineInstance): void {
  if (isControllers(request.user) || isAdministrator(request.user) || jsonEqual(vmi.status, old.status)) return;
  throw invalid({ kind: 'VirtualMachineInstance', name: request.name }, [
    { field: 'status', message: 'is written by the runtime only', reason: 'FieldValueForbidden' },
  ]);
}

function checkAgent(node: string, vmi: VirtualMachineInstance, old: VirtualMachineInstance): void {
  const owners = [
    old.status?.nodeName,
    old.metadata.labels?.[names.migrationTargetNodeLabel],
    old.status?.migrationState?.sourceNode,
    // Also once its record is closed and the label gone: what it knows of the guest's data is still to be told.
    old.status?.migrationState?.targetNode,
    // A guest that nobody runs yet.
    old.status?.nodeName ? undefined : vmi.status?.nodeName,
  ];
  if (!owners.includes(node))
    throw forbidden(
      `node "${node}" may not change VirtualMachineInstance "${vmi.metadata.name ?? ''}": it does not run there`,
    );
}

/** Admission of VirtualMachineInstance: specs are frozen for users, agents may touch only what they run. */
export const virtualMachineInstanceAdmission: AdmissionPlugin = {
  name: 'virtualmachineinstance.godwit.dev',
  mutate(request) {
    const subject = read(request);
    if (!subject || request.operation !== 'CREATE' || !subject.vmi.spec?.domain) return [];
    if (!isControllers(request.user) && !isAdministrator(request.user)) delete subject.vmi.status;
    defaultVmiSpec(subject.vmi.spec, request.name);
    const finalizers = subject.vmi.metadata.finalizers ?? [];
    if (!finalizers.includes(names.vmiFinalizer)) subject.vmi.metadata.finalizers = [...finalizers, names.vmiFinalizer];
    return [];
  },
  validate(request) {
    const subject = read(request);
    if (!subject) return [];
    const { vmi, old } = subject;
    if (!old) {
      const verdict = judgeVmiSpec(vmi.spec, 'spec');
      if (verdict.problems.length > 0)
        throw invalid({ kind: 'VirtualMachineInstance', name: request.name }, verdict.problems);
      return isControllers(request.user) ? [] : verdict.warnings;
    }
    checkSpecChange(request, vmi, old);
    const node = agentNode(request.user);
    if (node !== undefined) checkAgent(node, vmi, old);
    else if (!isControllers(request.user)) {
      checkStatusChange(request, vmi, old);
      const changed = RESTRICTED_LABELS.filter(
        (label) => vmi.metadata.labels?.[label] !== old.metadata.labels?.[label],
      );
      if (changed.length > 0) {
        throw invalid({ kind: 'VirtualMachineInstance', name: request.name }, [
          {
            field: 'metadata.labels',
            message: `${changed.join(', ')} may not be changed`,
            reason: 'FieldValueForbidden',
          },
        ]);
      }
    }
    return [];
  },
};
