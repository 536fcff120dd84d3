import type { AdmissionPlugin, AdmissionRequest, ObjectReader } from '@godwit/api-server';
import type { VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { findCondition, migrationSpecSupport, names, resources } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import { badRequest, conflict, invalid } from '../refuse.ts';
import type { FieldProblem } from '../refuse.ts';
import { isControllers } from '../users.ts';
import { judgeFields } from './judge-fields.ts';
import { verifyAnnotationProblems } from './verify-annotation.ts';

const PRIORITIES = ['system-critical', 'user-triggered', 'system-maintenance'];
/** `host:port`; an IPv6 host is in brackets. */
const CONNECT_URL = /^(\[[0-9a-fA-F:.%]+\]|[\w.-]+):\d{1,5}$/;

function isFinal(vmim: VirtualMachineInstanceMigration): boolean {
  return vmim.status?.phase === 'Succeeded' || vmim.status?.phase === 'Failed';
}

function isDecentralized(vmim: VirtualMachineInstanceMigration): boolean {
  return (vmim.spec.sendTo === undefined) !== (vmim.spec.receive === undefined);
}

function specProblems(vmim: VirtualMachineInstanceMigration, request: AdmissionRequest): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const { vmiName, priority, sendTo, receive } = vmim.spec;
  if (!vmiName) problems.push({ field: 'spec.vmiName', message: 'name the VMI to move', reason: 'FieldValueRequired' });
  if (priority !== undefined && !isControllers(request.user))
    problems.push({
      field: 'spec.priority',
      message: 'may be set by the controllers only',
      reason: 'FieldValueForbidden',
    });
  if (priority !== undefined && !PRIORITIES.includes(priority))
    problems.push({
      field: 'spec.priority',
      message: `is not one of ${PRIORITIES.join(', ')}`,
      reason: 'FieldValueNotSupported',
    });
  if (sendTo && receive && sendTo.migrationID !== receive.migrationID) {
    problems.push({
      field: 'spec.sendTo.migrationID',
      message: `sendTo migrationID ${sendTo.migrationID} does not match receive migrationID ${receive.migrationID}`,
    });
  }
  if (sendTo?.migrationID === '')
    problems.push({ field: 'spec.sendTo.migrationID', message: 'must not be empty', reason: 'FieldValueRequired' });
  if (receive?.migrationID === '')
    problems.push({ field: 'spec.receive.migrationID', message: 'must not be empty', reason: 'FieldValueRequired' });
  if (sendTo && !CONNECT_URL.test(sendTo.connectURL)) {
    problems.push({
      field: 'spec.sendTo.connectURL',
      message: `"${sendTo.connectURL}" is not host:port; take it from status.synchronizationAddresses of the target's migration`,
    });
  }
  return problems;
}

/** Migration IDs pair exactly one source with one target; a second use on one side could never be told apart. */
function idProblems(vmim: VirtualMachineInstanceMigration, reader: ObjectReader): FieldProblem[] {
  const role = vmim.spec.sendTo ? 'sendTo' : 'receive';
  const id = vmim.spec[role]?.migrationID;
  if (!isDecentralized(vmim) || id === undefined) return [];
  const others = reader.list(resources.virtualMachineInstanceMigrations) as VirtualMachineInstanceMigration[];
  const taken = others.find(
    (other) => other.metadata.uid !== vmim.metadata.uid && !isFinal(other) && other.spec[role]?.migrationID === id,
  );
  return taken
    ? [
        {
          field: `spec.${role}.migrationID`,
          message: `${id} is in use by ${taken.metadata.namespace ?? ''}/${taken.metadata.name ?? ''}`,
          reason: 'FieldValueDuplicate',
        },
      ]
    : [];
}

function checkVmi(vmim: VirtualMachineInstanceMigration, namespace: string, reader: ObjectReader): void {
  const name = vmim.spec.vmiName ?? '';
  // The cast is safe: the reader returns objects of the kind it was asked for.
  const vmi = reader.get(resources.virtualMachineInstances, name, namespace) as VirtualMachineInstance | undefined;
  if (!vmi) throw badRequest(`the VMI "${namespace}/${name}" does not exist`);
  if (vmi.status?.phase === 'Succeeded' || vmi.status?.phase === 'Failed') {
    throw badRequest(`cannot migrate VMI "${namespace}/${name}" in finalized state ${vmi.status.phase}`);
  }
  if (
    vmim.spec.receive &&
    !vmim.spec.sendTo &&
    vmi.metadata.annotations?.[names.createMigrationTargetAnnotation] !== 'true'
  ) {
    throw badRequest(
      `VMI "${namespace}/${name}" is not a receiver; its VirtualMachine needs runStrategy WaitAsReceiver`,
    );
  }
  const migratable = findCondition(vmi.status?.conditions, 'LiveMigratable');
  const disksOnly = migratable?.reason === 'DisksNotLiveMigratable' && isDecentralized(vmim);
  // Volumes can change in place whatever keeps the guest on its node, whoever asks for it; the controller refuses what would
  // need another node. An evacuation always does.
  const volumesOnly =
    (vmi.status?.migratedVolumes ?? []).length > 0 &&
    !isDecentralized(vmim) &&
    vmim.metadata.annotations?.[names.evacuationMigrationAnnotation] === undefined;
  if (migratable?.status === 'False' && !disksOnly && !volumesOnly) {
    throw badRequest(
      `cannot migrate VMI "${namespace}/${name}": ${migratable.reason ?? ''}: ${migratable.message ?? ''}`,
    );
  }
}

function checkInFlight(vmim: VirtualMachineInstanceMigration, namespace: string, reader: ObjectReader): void {
  const others = reader.list(
    resources.virtualMachineInstanceMigrations,
    namespace,
  ) as VirtualMachineInstanceMigration[];
  const active = others.find(
    (other) => other.metadata.uid !== vmim.metadata.uid && other.spec.vmiName === vmim.spec.vmiName && !isFinal(other),
  );
  if (active)
    throw conflict(
      `in-flight migration detected: "${active.metadata.name ?? ''}" is already moving VMI "${namespace}/${vmim.spec.vmiName ?? ''}"`,
    );
}

/** Admission of VirtualMachineInstanceMigration. */
export const migrationAdmission: AdmissionPlugin = {
  name: 'virtualmachineinstancemigration.godwit.dev',
  mutate(request) {
    if (request.resource.plural !== 'virtualmachineinstancemigrations' || request.operation !== 'CREATE') return [];
    const vmim = request.object as VirtualMachineInstanceMigration;
    vmim.metadata.labels = {
      ...vmim.metadata.labels,
      ...(vmim.spec?.vmiName ? { [names.vmiNameLabel]: vmim.spec.vmiName } : {}),
    };
    const finalizers = vmim.metadata.finalizers ?? [];
    if (!finalizers.includes(names.migrationFinalizer))
      vmim.metadata.finalizers = [...finalizers, names.migrationFinalizer];
    return [];
  },
  // One migration at a time per VMI, one use per migration ID: both look at all others.
  exclusive: ({ resource }) => (resource.plural === 'virtualmachineinstancemigrations' ? resource.plural : undefined),
  validate(request, reader) {
    if (
      request.resource.plural !== 'virtualmachineinstancemigrations' ||
      request.subresource !== '' ||
      request.operation === 'DELETE'
    )
      return [];
    const vmim = request.object as VirtualMachineInstanceMigration;
    const old = request.oldObject as VirtualMachineInstanceMigration | undefined;
    const subject = { kind: 'VirtualMachineInstanceMigration', name: request.name };
    if (old) {
      if (!jsonEqual(vmim.spec, old.spec))
        throw invalid(subject, [
          { field: 'spec', message: "update of Migration object's spec is restricted", reason: 'FieldValueForbidden' },
        ]);
      if (!isFinal(old) && vmim.metadata.labels?.[names.vmiNameLabel] !== old.metadata.labels?.[names.vmiNameLabel]) {
        throw invalid(subject, [
          {
            field: 'metadata.labels',
            message: `${names.vmiNameLabel} may not change while the migration runs`,
            reason: 'FieldValueForbidden',
          },
        ]);
      }
      const problems = verifyAnnotationProblems(vmim, old);
      if (problems.length > 0) throw invalid(subject, problems);
      return [];
    }
    const verdict = judgeFields(migrationSpecSupport, vmim.spec, 'spec');
    const problems = [
      ...verifyAnnotationProblems(vmim, old),
      ...verdict.problems,
      ...specProblems(vmim, request),
      ...idProblems(vmim, reader),
    ];
    if (problems.length > 0) throw invalid(subject, problems);
    checkVmi(vmim, request.namespace, reader);
    checkInFlight(vmim, request.namespace, reader);
    return verdict.warnings;
  },
};
