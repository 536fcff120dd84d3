import type { AdmissionPlugin, AdmissionRequest } from '@godwit/api-server';
import type { VirtualMachine } from '@godwit/api';
import { virtualMachineSpecSupport } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import { invalid } from '../refuse.ts';
import type { FieldProblem } from '../refuse.ts';
import { judgeDataVolumeTemplates } from './data-volume-templates.ts';
import { defaultVmiSpec } from './defaults.ts';
import { judgeFields } from './judge-fields.ts';
import { refilledVolumesWarnings } from './refilled-volumes.ts';
import { stoppedVolumesWarnings } from './stopped-volumes.ts';
import { templateMetadataProblems } from './template-metadata.ts';
import { verifyAnnotationProblems } from './verify-annotation.ts';
import { judgeVmiSpec } from './vmi-spec.ts';

const RUN_STRATEGIES = ['Always', 'Halted', 'Manual', 'RerunOnFailure', 'Once', 'WaitAsReceiver'];

function runStrategyProblems(vm: VirtualMachine): FieldProblem[] {
  const { runStrategy, running } = vm.spec;
  if (runStrategy !== undefined && running !== undefined) {
    return [{ field: 'spec.running', message: 'running and runStrategy are mutually exclusive; keep runStrategy' }];
  }
  if (runStrategy === undefined && running === undefined) {
    return [
      { field: 'spec.runStrategy', message: `give one of ${RUN_STRATEGIES.join(', ')}`, reason: 'FieldValueRequired' },
    ];
  }
  if (runStrategy !== undefined && !RUN_STRATEGIES.includes(runStrategy)) {
    return [
      {
        field: 'spec.runStrategy',
        message: `"${runStrategy}" is not one of ${RUN_STRATEGIES.join(', ')}`,
        reason: 'FieldValueNotSupported',
      },
    ];
  }
  return [];
}

/** As with everything of the template: only what this request brings along. */
function metadataProblems(vm: VirtualMachine, old: VirtualMachine | undefined): FieldProblem[] {
  const { metadata } = vm.spec.template;
  return old && jsonEqual(metadata, old.spec.template.metadata)
    ? []
    : templateMetadataProblems(metadata, 'spec.template.metadata');
}

/** In KubeVirt's words. */
function runningWarning(vm: VirtualMachine, old: VirtualMachine | undefined): string[] {
  if (vm.spec.running === undefined || vm.spec.running === old?.spec.running) return [];
  return ['spec.running is deprecated, please use spec.runStrategy instead.'];
}

function frozenProblems(vm: VirtualMachine, old: VirtualMachine | undefined): FieldProblem[] {
  if (!old) return [];
  const snapshot = old.status?.snapshotInProgress;
  const volumes = (of: VirtualMachine): unknown => [
    of.spec.template.spec.volumes,
    of.spec.template.spec.domain.devices.disks,
  ];
  if (snapshot && !jsonEqual(volumes(vm), volumes(old))) {
    return [
      { field: 'spec.template.spec.volumes', message: `cannot change until snapshot "${snapshot}" has completed` },
    ];
  }
  const restore = old.status?.restoreInProgress;
  if (restore && vm.spec.runStrategy !== old.spec.runStrategy) {
    return [{ field: 'spec.runStrategy', message: `cannot change until restore "${restore}" has completed` }];
  }
  return [];
}

function read(request: AdmissionRequest): { vm: VirtualMachine; old: VirtualMachine | undefined } | undefined {
  if (request.resource.plural !== 'virtualmachines' || request.subresource !== '' || request.operation === 'DELETE')
    return undefined;
  // The casts are safe: the CRD schema has been applied to both before plug-ins that validate run.
  return { vm: request.object as VirtualMachine, old: request.oldObject as VirtualMachine | undefined };
}

/** Admission of VirtualMachine: KubeVirt's rules, and an answer for every field that the local runtime does not implement. */
export const virtualMachineAdmission: AdmissionPlugin = {
  name: 'virtualmachine.godwit.dev',
  mutate(request) {
    const subject = read(request);
    const spec = subject?.vm.spec?.template?.spec;
    // The template keeps what the user wrote, except what must not change between starts.
    if (spec?.domain && subject) {
      spec.domain.machine = { type: 'q35', ...spec.domain.machine };
      spec.architecture ??= 'amd64';
    }
    return [];
  },
  validate(request) {
    const subject = read(request);
    if (!subject) return [];
    const { vm, old } = subject;
    const spec = structuredClone(vm.spec.template.spec);
    defaultVmiSpec(spec, request.name);
    const verdict = judgeVmiSpec(spec, 'spec.template.spec', old?.spec.template.spec);
    const changed = !old || !jsonEqual(vm.spec.template, old.spec.template);
    const templates = judgeDataVolumeTemplates(vm, old);
    const fields = judgeFields(virtualMachineSpecSupport, vm.spec, 'spec');
    const problems = [
      ...runStrategyProblems(vm),
      ...verifyAnnotationProblems(vm, old),
      ...metadataProblems(vm, old),
      ...templates.problems,
      ...frozenProblems(vm, old),
      ...fields.problems,
      ...(changed ? verdict.problems : []),
    ];
    if (problems.length > 0) throw invalid({ kind: 'VirtualMachine', name: request.name }, problems);
    return [
      ...(old && jsonEqual(vm.spec, old.spec) ? [] : fields.warnings),
      ...runningWarning(vm, old),
      ...templates.warnings,
      ...(changed ? verdict.warnings : []),
      ...stoppedVolumesWarnings(vm, old),
      ...(changed ? refilledVolumesWarnings(vm, old) : []),
    ];
  },
};
