import type { AdmissionRequest, ApiError } from '@godwit/api-server';
import { names, resources } from '@godwit/api';
import type { DataVolumeSource, VirtualMachine } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { virtualMachineAdmission } from './virtual-machine.ts';

const blank = { source: { blank: {} }, storage: { resources: { requests: { storage: '1Mi' } } } };
const reader = { get: () => undefined, list: () => [] };

function machine(change: (vm: VirtualMachine) => void = () => undefined): VirtualMachine {
  const vm: VirtualMachine = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachine',
    metadata: { name: 'a', namespace: 'ns' },
    spec: {
      runStrategy: 'Always',
      dataVolumeTemplates: [{ metadata: { name: 'root' }, spec: structuredClone(blank) }],
      template: {
        spec: {
          domain: { memory: { guest: '64Mi' }, devices: {} },
          volumes: [{ name: 'root', dataVolume: { name: 'root' } }],
        },
      },
    },
  };
  change(vm);
  return vm;
}

interface Answer {
  readonly warnings: readonly string[];
  readonly fields: readonly (string | undefined)[];
}

function admit(vm: VirtualMachine, old?: VirtualMachine): Answer {
  const request: AdmissionRequest = {
    operation: old ? 'UPDATE' : 'CREATE',
    resource: resources.virtualMachines,
    subresource: '',
    namespace: 'ns',
    name: 'a',
    object: vm,
    oldObject: old,
    user: { username: 'somebody', groups: [] },
    dryRun: false,
  };
  try {
    return { warnings: virtualMachineAdmission.validate?.(request, reader) as readonly string[], fields: [] };
  } catch (error) {
    return { warnings: [], fields: ((error as ApiError).statusDetails?.causes ?? []).map(({ field }) => field) };
  }
}

/** Values that no type lets through, as a client may send them. */
function withMetadata(metadata: object): VirtualMachine {
  return machine((vm) => Object.assign(vm.spec.template, { metadata }));
}

function withTemplate(change: object): VirtualMachine {
  return machine((vm) => Object.assign(vm.spec.dataVolumeTemplates?.[0] ?? {}, change));
}

const { storage } = blank;
const BAD: readonly (readonly [string, VirtualMachine, string])[] = [
  ['labels that are a text', withMetadata({ labels: 'oops' }), 'spec.template.metadata.labels'],
  ['an annotation that is a number', withMetadata({ annotations: { a: 1 } }), 'spec.template.metadata.annotations[a]'],
  ['a label that no label can be', withMetadata({ labels: { a: 'b c' } }), 'spec.template.metadata.labels[a]'],
  ['a key that no key can be', withMetadata({ labels: { 'a/b/c': '' } }), 'spec.template.metadata.labels[a/b/c]'],
  [
    'a clone',
    withTemplate({ spec: { source: { pvc: { name: 'x', namespace: 'ns' } }, storage } }),
    'spec.dataVolumeTemplates[0].spec.source.pvc',
  ],
  [
    'a DataSource',
    withTemplate({ spec: { sourceRef: { kind: 'DataSource', name: 'x' }, storage } }),
    'spec.dataVolumeTemplates[0].spec.sourceRef',
  ],
  [
    'no size',
    withTemplate({ spec: { source: { blank: {} }, storage: {} } }),
    'spec.dataVolumeTemplates[0].spec.storage.resources.requests.storage',
  ],
  [
    'a name that no object can have',
    withTemplate({ metadata: { name: 'Root_1' } }),
    'spec.dataVolumeTemplates[0].metadata.name',
  ],
  [
    'labels of a DataVolume that are a list',
    withTemplate({ metadata: { name: 'root', labels: ['a'] } }),
    'spec.dataVolumeTemplates[0].metadata.labels',
  ],
];

describe('admission of a VirtualMachine', () => {
  it('lets in a plain one without a word', () => {
    const metadata = { labels: { 'kubevirt.io/vm': 'a', empty: '' }, annotations: { 'example.org/Note': 'any text' } };
    expect(admit(withMetadata(metadata))).toEqual({ warnings: [], fields: [] });
  });

  it.each(BAD)('refuses %s, by its path', (_, vm, field) => {
    expect(admit(vm).fields).toContain(field);
  });

  it.each(BAD)('lets controllers write a VM that was let in with %s', (_, vm) => {
    const next = structuredClone(vm);
    next.metadata.finalizers = ['example.org/kept'];
    // A name is looked at always: it has to fit the volumes, which may have changed.
    expect(admit(next, vm).fields.filter((field) => !field?.endsWith('.name'))).toEqual([]);
  });

  it('tells what of a template has no effect, once', () => {
    const vm = withTemplate({ spec: { ...blank, preallocation: true } });
    expect(admit(vm).warnings).toEqual([
      expect.stringContaining('spec.dataVolumeTemplates[0].spec.preallocation has no effect here: '),
    ]);
    expect(admit(structuredClone(vm), vm).warnings).toEqual([]);
  });

  it('warns of running, once, as KubeVirt does', () => {
    const vm = machine(({ spec }) => {
      delete spec.runStrategy;
      spec.running = true;
    });
    expect(admit(vm).warnings).toEqual(['spec.running is deprecated, please use spec.runStrategy instead.']);
    expect(admit(structuredClone(vm), vm).warnings).toEqual([]);
  });

  it.each(['Migration', 'Replacement', 'Teleport', ''])('has no opinion of strategy "%s" [SLM 6.4 #1]', (strategy) => {
    expect(admit(machine(({ spec }) => (spec.updateVolumesStrategy = strategy)))).toEqual({ warnings: [], fields: [] });
  });

  const repointed = machine(({ spec }) => {
    spec.updateVolumesStrategy = 'Migration';
    spec.dataVolumeTemplates = [];
    spec.template.spec.volumes = [{ name: 'root', persistentVolumeClaim: { claimName: 'new' } }];
  });

  it('tells of a stopped one which of its volumes are copied first [SLM H9]', () => {
    const stopped = { ...machine(), status: { created: false, lastVolumes: { root: 'root' } } };
    expect(admit(repointed, stopped).warnings).toEqual([expect.stringContaining('root from root to new')]);
    expect(admit(repointed, { ...stopped, status: { ...stopped.status, created: true } }).warnings).toEqual([]);
    // Nothing was ever written, or the claims are set back to where it was.
    expect(admit(repointed, machine()).warnings).toEqual([]);
    const back = { ...stopped, status: { lastVolumes: { root: 'new' } } };
    expect(admit(repointed, back).warnings).toEqual([]);
    // The strategy alone may be what has something copied.
    const before = { ...structuredClone(repointed), status: stopped.status };
    delete before.spec.updateVolumesStrategy;
    expect(admit(repointed, before).warnings).toEqual([expect.stringContaining('root from root to new')]);
    expect(admit(repointed, { ...before, spec: repointed.spec }).warnings).toEqual([]);
  });

  it('tells of a stopped one that gets the strategy after its volumes that nothing is copied', () => {
    const replaced = { ...structuredClone(repointed), status: { created: false, lastVolumes: { root: 'new' } } };
    delete replaced.spec.updateVolumesStrategy;
    expect(admit(repointed, replaced).warnings).toEqual([expect.stringMatching(/nothing is copied.*: root on new$/)]);
    expect(admit(repointed, { ...replaced, spec: repointed.spec }).warnings).toEqual([]);
    // It has never had any data.
    expect(admit(repointed, { ...replaced, status: { created: false } }).warnings).toEqual([]);
  });

  it('tells of a stopped one that without the strategy its volumes stay where they are', () => {
    const stopped = { ...machine(), status: { created: false, lastVolumes: { root: 'root' } } };
    const replaced = structuredClone(repointed);
    delete replaced.spec.updateVolumesStrategy;
    expect(admit(replaced, stopped).warnings).toEqual([
      expect.stringMatching(/volume root starts on new as it is, its data stay on root; set .* in the same edit/),
    ]);
    expect(admit(replaced, { ...replaced, status: stopped.status }).warnings).toEqual([]);
  });

  it('warns before a copy that has not ended is accepted as it is [SLM H11]', () => {
    const dropped = structuredClone(repointed);
    delete dropped.spec.updateVolumesStrategy;
    const copies = [{ volumeName: 'root', destinationPVCInfo: { claimName: 'new' } }];
    const status = {
      lastVolumes: { root: 'root' },
      volumeUpdateState: { volumeMigrationState: { migratedVolumes: copies } },
    };
    expect(admit(dropped, { ...repointed, status }).warnings).toEqual([
      expect.stringMatching(/root starts on new, .* may be incomplete.* last is on root; set the claim back/),
    ]);
    expect(admit(dropped, { ...repointed, status: { ...status, lastVolumes: { root: 'new' } } }).warnings).toEqual([]);
    expect(admit(dropped, { ...repointed, status: { lastVolumes: { root: 'root' } } }).warnings).toEqual([]);
    expect(admit(dropped, { ...repointed, status: { ...status, created: true } }).warnings).toEqual([]);
  });

  it('tells of a target that is filled first that the copy overwrites it [SLM H10]', () => {
    const moving = (source: DataVolumeSource) =>
      machine(({ spec }) => {
        spec.updateVolumesStrategy = 'Migration';
        spec.dataVolumeTemplates = [{ metadata: { name: 'new' }, spec: { ...structuredClone(blank), source } }];
        spec.template.spec.volumes = [{ name: 'root', dataVolume: { name: 'new' } }];
      });
    const running = { ...machine(), status: { created: true } };
    const http = { http: { url: 'http://example.org/disk.img' } };
    expect(admit(moving(http), running).warnings).toEqual([
      expect.stringContaining('spec.dataVolumeTemplates[0].spec.source: what it fills new with is overwritten'),
    ]);
    expect(admit(moving({ blank: {} }), running).warnings).toEqual([]);
    expect(admit(moving(http), moving(http)).warnings).toEqual([]);
  });

  it('keeps disks and volumes while a snapshot is taken, and the run strategy while one is restored [SLM 2.2]', () => {
    const old = (status: object): VirtualMachine => ({ ...machine(), status });
    expect(admit(repointed, old({ snapshotInProgress: 'nightly' })).fields).toEqual(['spec.template.spec.volumes']);
    const halted = machine(({ spec }) => (spec.runStrategy = 'Halted'));
    expect(admit(halted, old({ restoreInProgress: 'nightly' })).fields).toEqual(['spec.runStrategy']);
    expect(admit(halted, old({ snapshotInProgress: 'nightly' })).fields).toEqual([]);
  });

  it.each(['maybe', 'True', ''])('refuses "%s" as the answer to whether moves are to be verified', (value) => {
    const vm = machine(({ metadata }) => (metadata.annotations = { [names.verifyAnnotation]: value }));
    const fields = [`metadata.annotations[${names.verifyAnnotation}]`];
    expect(admit(vm)).toEqual({ warnings: [], fields });
    expect(admit(vm, machine()).fields).toEqual(fields);
    expect(admit(structuredClone(vm), vm).fields).toEqual([]);
  });
});
