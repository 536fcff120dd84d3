import type { AdmissionRequest, ObjectReader } from '@godwit/api-server';
import type { Condition, KubeObject, VirtualMachineInstance, VirtualMachineInstanceMigration } from '@godwit/api';
import { names, resources } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { controllersUser } from '../users.ts';
import { migrationAdmission } from './migration.ts';

type Vmim = VirtualMachineInstanceMigration;
interface Asked {
  readonly vmi?: Partial<NonNullable<VirtualMachineInstance['status']>> | 'absent';
  readonly changes?: Partial<Vmim['metadata']> & { readonly spec?: Vmim['spec'] };
  readonly old?: Vmim;
  readonly others?: readonly Vmim[];
  readonly username?: string;
}

const disks: Condition = { type: 'LiveMigratable', status: 'False', reason: 'DisksNotLiveMigratable' };
const network: Condition = { type: 'StorageLiveMigratable', status: 'False', reason: 'NotMigratable' };
const announced = { migratedVolumes: [{ volumeName: 'root' }] };

function vmim(name: string, phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed', vmiName = 'vm'): Vmim {
  return {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstanceMigration',
    metadata: { name, namespace: 'ns', uid: name, labels: { [names.vmiNameLabel]: vmiName } },
    spec: { vmiName },
    ...(phase === undefined ? {} : { status: { phase } }),
  };
}

/** What admission says: the error, or undefined when it lets the object in. */
function admit({ vmi = {}, changes = {}, old, others = [], username = controllersUser }: Asked = {}): unknown {
  const instance: VirtualMachineInstance = {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: { name: 'vm', namespace: 'ns' },
    spec: { domain: { devices: {} } },
    status: { phase: 'Running', ...(vmi === 'absent' ? {} : vmi) },
  };
  const { spec, ...metadata } = changes;
  const base = vmim('m');
  const object: Vmim = { ...base, metadata: { ...base.metadata, ...metadata }, spec: spec ?? base.spec };
  const request = {
    operation: old ? 'UPDATE' : 'CREATE',
    resource: resources.virtualMachineInstanceMigrations,
    subresource: '',
    name: 'm',
    namespace: 'ns',
    user: { username, groups: [] },
    object,
    oldObject: old,
  };
  const reader = {
    get: (): KubeObject | undefined => (vmi === 'absent' ? undefined : instance),
    list: (): KubeObject[] => [...others, object],
  };
  try {
    // The casts are safe: the plug-in reads these members only.
    void migrationAdmission.validate?.(request as unknown as AdmissionRequest, reader as unknown as ObjectReader);
    return undefined;
  } catch (error) {
    return error;
  }
}
const refused = (code: number, words: string): object => ({
  httpCode: code,
  message: expect.stringContaining(words) as string,
});

describe('a migration of a guest that cannot leave its node', () => {
  it('is refused [SLM 5.3 #34]', () => {
    expect(admit({ vmi: { conditions: [disks] } })).toMatchObject(refused(400, 'DisksNotLiveMigratable'));
  });
  it('is let in when volumes are to change, whoever asks: that may be done in place [SLM 5.3 #34]', () => {
    const vmi = { conditions: [disks, network], ...announced };
    expect(admit({ vmi })).toBeUndefined();
    expect(admit({ vmi, username: 'somebody' })).toBeUndefined();
  });
  it('is refused even then for an evacuation, which needs another node [SLM 5.3 #51]', () => {
    const annotations = { [names.evacuationMigrationAnnotation]: 'n1' };
    expect(admit({ vmi: { conditions: [disks], ...announced }, changes: { annotations } })).toMatchObject({
      httpCode: 400,
    });
  });
});

describe('a new migration', () => {
  it.each(['Succeeded', 'Failed'] as const)('is refused for a guest that is %s', (phase) => {
    expect(admit({ vmi: { phase } })).toMatchObject(refused(400, `finalized state ${phase}`));
  });
  it('is refused for a guest that does not exist', () => {
    expect(admit({ vmi: 'absent' })).toMatchObject(refused(400, 'does not exist'));
  });
  it.each([undefined, 'Pending', 'Running'] as const)('is refused while another one is %s [SLM 5.3 #33]', (phase) => {
    expect(admit({ others: [vmim('first', phase)] })).toMatchObject(refused(409, '"first" is already moving'));
  });
  it('is let in once all others have ended, or move somebody else [SLM 5.3 #33]', () => {
    const others = [vmim('a', 'Succeeded'), vmim('b', 'Failed'), vmim('c', 'Running', 'other')];
    expect(admit({ others })).toBeUndefined();
  });
  it('has a priority only if the controllers give it one they know [SLM 5.3 #54]', () => {
    const priority = (value: string): Asked => ({
      changes: { spec: { vmiName: 'vm', priority: value as 'system-critical' } },
    });
    expect(admit(priority('system-critical'))).toBeUndefined();
    expect(admit({ ...priority('system-critical'), username: 'somebody' })).toMatchObject(
      refused(422, 'spec.priority'),
    );
    expect(admit(priority('now'))).toMatchObject(refused(422, 'is not one of'));
  });
});

describe('a migration that is there', () => {
  it('keeps its spec, whoever asks', () => {
    const asked = { old: vmim('m', 'Failed'), changes: { spec: { vmiName: 'other' } } };
    expect(admit(asked)).toMatchObject(refused(422, 'spec is restricted'));
  });
  it('keeps the label that names its guest until it has ended', () => {
    const labels = { [names.vmiNameLabel]: 'other' };
    expect(admit({ old: vmim('m', 'Running'), changes: { labels } })).toMatchObject(refused(422, names.vmiNameLabel));
    expect(admit({ old: vmim('m', 'Succeeded'), changes: { labels } })).toBeUndefined();
  });
  it('may be given other labels and annotations', () => {
    const labels = { [names.vmiNameLabel]: 'vm', team: 'a' };
    expect(admit({ old: vmim('m', 'Running'), changes: { labels, annotations: { note: 'b' } } })).toBeUndefined();
  });
});

it('names its guest in a label and is not removed before it has cleaned up', () => {
  const object = vmim('m');
  delete object.metadata.labels;
  const request = { operation: 'CREATE', resource: resources.virtualMachineInstanceMigrations, object };
  // The casts are safe: the plug-in reads these members only.
  void migrationAdmission.mutate?.(request as unknown as AdmissionRequest, {} as unknown as ObjectReader);
  expect(object.metadata).toMatchObject({
    labels: { [names.vmiNameLabel]: 'vm' },
    finalizers: [names.migrationFinalizer],
  });
});

it('refuses a verification that is neither wanted nor unwanted', () => {
  const annotations = { [names.verifyAnnotation]: 'maybe' };
  expect(admit({ changes: { annotations } })).toMatchObject(refused(422, 'must be "true" or "false", not "maybe"'));
  expect(admit({ changes: { annotations }, old: vmim('m') })).toMatchObject(refused(422, 'not "maybe"'));
  for (const value of ['true', 'false'])
    expect(admit({ changes: { annotations: { [names.verifyAnnotation]: value } } })).toBeUndefined();
});
