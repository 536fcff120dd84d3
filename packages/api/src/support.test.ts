import { describe, expect, it } from 'vitest';
import {
  dataVolumeSpecSupport,
  findUnsupported,
  kubeVirtSpecSupport,
  migrationPolicySpecSupport,
  migrationSpecSupport,
  virtualMachineSpecSupport,
  vmiSpecSupport,
} from './support.ts';
import { wireTypes } from './schema/wire-types.ts';

const unsupportedFields = (spec: unknown, root = 'spec') => findUnsupported(vmiSpecSupport, spec, root);

function fieldTypes(pattern: string, root: string): string | undefined {
  let type = root;
  for (const segment of pattern.split('.')) {
    const name = segment.replace('[]', '');
    const fields = wireTypes[type];
    const next = fields?.[name] ?? fields?.[`${name}!`];
    if (next === undefined) return undefined;
    type = segment.endsWith('[]') ? next.replace('[]', '') : next;
  }
  return type;
}

describe('support of VMI fields', () => {
  it('has rules for fields that exist only', () => {
    const tables = {
      VirtualMachineInstanceSpec: vmiSpecSupport,
      KubeVirtSpec: kubeVirtSpecSupport,
      MigrationPolicySpec: migrationPolicySpecSupport,
      VirtualMachineSpec: virtualMachineSpecSupport,
      VirtualMachineInstanceMigrationSpec: migrationSpecSupport,
      CdiDataVolumeSpec: dataVolumeSpecSupport,
    };
    for (const [type, rules] of Object.entries(tables)) {
      for (const pattern of Object.keys(rules)) expect(fieldTypes(pattern, type), `${type} ${pattern}`).toBeDefined();
    }
  });

  it('says nothing about a plain VM', () => {
    expect(
      unsupportedFields({
        domain: {
          devices: {
            disks: [{ name: 'a', disk: { bus: 'virtio' } }],
            rng: {},
            interfaces: [{ name: 'default', masquerade: {} }],
          },
          memory: { guest: '1Gi' },
        },
        networks: [{ name: 'default', pod: {} }],
        volumes: [{ name: 'a', containerDisk: { image: 'x' } }],
      }),
    ).toEqual([]);
  });

  it('rejects what would change the guest, with its full path', () => {
    const found = unsupportedFields(
      { domain: { devices: { gpus: [{ name: 'g' }], disks: [{ name: 'a' }, { name: 'b', lun: {} }] } } },
      'spec.template.spec',
    );
    expect(found.map((f) => [f.field, f.rule.support])).toEqual([
      ['spec.template.spec.domain.devices.gpus', 'rejected'],
      ['spec.template.spec.domain.devices.disks[1].lun', 'rejected'],
    ]);
  });

  it('warns about known fields without a rule', () => {
    expect(
      unsupportedFields({ subdomain: 'x', domain: { devices: { sound: { name: 's' } } } }).map((f) => f.field),
    ).toEqual(['spec.subdomain', 'spec.domain.devices.sound']);
  });

  it('looks below a field that is implemented, and calls what happens anyway no finding', () => {
    const fields = (domain: object) => unsupportedFields({ domain }).map(({ field }) => field);
    expect(fields({ features: { acpi: { enabled: false } } })).toEqual(['spec.domain.features.acpi.enabled']);
    expect(fields({ features: { acpi: { enabled: true } } })).toEqual([]);
    expect(fields({ devices: { autoattachGraphicsDevice: false, autoattachSerialConsole: false } })).toEqual([
      'spec.domain.devices.autoattachSerialConsole',
    ]);
  });
});
