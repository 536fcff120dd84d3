import { compatibilityRows, compatibilitySections, customResourceDefinitions, resources } from '@godwit/api';
import type { KubeObject, ResourceKind } from '@godwit/api';
import type { AdmissionPlugin, AdmissionRequest, ApiError } from '@godwit/api-server';
import { describe, expect, it } from 'vitest';
import { kubeVirtAdmission } from '../index.ts';

/** What these tests read of a CRD. */
interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  additionalProperties?: Schema;
}

const domain = { devices: { disks: [{ name: 'root', disk: {} }] }, memory: { guest: '64Mi' } };
const vmi = { domain, volumes: [{ name: 'root', emptyDisk: { capacity: '1Mi' } }] };
const size = { resources: { requests: { storage: '1Mi' } } };

/** A spec of every kind that admission lets in without a word. */
const SUBJECTS: Readonly<Record<string, { readonly resource: ResourceKind; readonly spec: object }>> = {
  VirtualMachineSpec: {
    resource: resources.virtualMachines,
    spec: { runStrategy: 'Always', template: { spec: vmi } },
  },
  VirtualMachineInstanceSpec: { resource: resources.virtualMachineInstances, spec: vmi },
  VirtualMachineInstanceMigrationSpec: {
    resource: resources.virtualMachineInstanceMigrations,
    spec: { vmiName: 'a' },
  },
  MigrationPolicySpec: { resource: resources.migrationPolicies, spec: { selectors: {} } },
  KubeVirtSpec: { resource: resources.kubeVirts, spec: {} },
  CdiDataVolumeSpec: { resource: resources.dataVolumes, spec: { source: { blank: {} }, storage: size } },
};

/** What has to make room, or come along, for a field to be the only thing that is wrong. */
const COMPANIONS: readonly (readonly [RegExp, (spec: never) => void])[] = [
  [/cdrom\./, (spec: typeof vmi) => Object.assign(spec.domain.devices.disks[0] ?? {}, { disk: undefined })],
  [
    /^volumes\[\]\.containerDisk/,
    (spec: typeof vmi) => Object.assign(spec, { volumes: [{ name: 'root', containerDisk: { image: 'x' } }] }),
  ],
  [
    /interfaces\[\]|networks\[\]/,
    (spec: typeof vmi) => {
      Object.assign(spec.domain.devices, { interfaces: [{ name: 'net' }] });
      Object.assign(spec, { networks: [{ name: 'net' }] });
    },
  ],
  [/^source/, (spec: { source?: object }) => delete spec.source],
  [/^source\.http/, (spec: object) => Object.assign(spec, { source: { http: { url: 'http://x/y' } } })],
  [/^source\.registry/, (spec: object) => Object.assign(spec, { source: { registry: { url: 'docker://x' } } })],
  [/^sourceRef/, (spec: { source?: object }) => delete spec.source],
  [
    /^pvc/,
    (spec: object) =>
      Object.assign(spec, { storage: undefined, pvc: { ...structuredClone(size), accessModes: ['ReadWriteOnce'] } }),
  ],
];

function schemaOf(resource: ResourceKind): Schema {
  const crd = customResourceDefinitions().find(
    ({ metadata }) => metadata.name === `${resource.plural}.${resource.group}`,
  );
  const { versions } = (crd as KubeObject & { spec: { versions: { schema: { openAPIV3Schema: Schema } }[] } }).spec;
  return versions[0]?.schema.openAPIV3Schema.properties?.['spec'] ?? {};
}

/** A value that asks for something else than what happens anyway. */
function sample(schema: Schema, path: string): unknown {
  switch (schema.type) {
    case 'boolean':
      return !/\.(enabled|autoattachSerialConsole|logSerialConsole)$/.test(path);
    case 'integer':
    case 'number':
      return 7;
    case 'string':
      return 'x';
    case 'array':
      return [sample(schema.items ?? {}, path)];
    case 'object':
      if (schema.additionalProperties) return { key: sample(schema.additionalProperties, path) };
      return Object.fromEntries(
        (schema.required ?? []).map((name) => [name, sample(schema.properties?.[name] ?? {}, `${path}.${name}`)]),
      );
    default:
      return '1Gi';
  }
}

/** Puts a sample below `spec`; returns the path that an answer has to name. */
function put(spec: object, schema: Schema, path: string): string {
  let [at, here, named] = [spec as Record<string, unknown>, schema, 'spec'];
  const segments = path.split('.');
  for (const [i, segment] of segments.entries()) {
    const name = segment.replace('[]', '');
    const next = here.properties?.[name];
    if (!next) throw new Error(`no field ${path}`);
    named += `.${name}`;
    if (i === segments.length - 1) {
      at[name] = sample(next, path);
      break;
    }
    if (segment.endsWith('[]')) {
      const list = (at[name] ??= [{}]) as Record<string, unknown>[];
      [at, here, named] = [list[0] ?? {}, next.items ?? {}, `${named}[0]`];
    } else [at, here] = [(at[name] ??= {}) as Record<string, unknown>, next];
  }
  return named;
}

interface Answer {
  readonly warnings: readonly string[];
  readonly refused: readonly { readonly field?: string; readonly reason?: string }[];
}

/** The answer of the plug-ins as the server would ask them. */
async function admit(resource: ResourceKind, spec: object): Promise<Answer> {
  const object: KubeObject = { apiVersion: 'v1', kind: resource.kind, metadata: { name: 'a', namespace: 'ns' }, spec };
  const request: AdmissionRequest = {
    operation: 'CREATE',
    resource,
    subresource: '',
    namespace: 'ns',
    name: 'a',
    object,
    oldObject: undefined,
    user: { username: 'somebody', groups: [] },
    dryRun: false,
  };
  const running: KubeObject = { apiVersion: 'kubevirt.io/v1', kind: 'VirtualMachineInstance', metadata: { name: 'a' } };
  const reader = {
    get: (kind: ResourceKind) => (kind === resources.virtualMachineInstances ? running : undefined),
    list: () => [],
  };
  const ask = async (step: 'mutate' | 'validate'): Promise<string[]> => {
    const answers = await Promise.all(
      kubeVirtAdmission.map(async (plugin: AdmissionPlugin) => (await plugin[step]?.(request, reader)) ?? []),
    );
    return answers.flat();
  };
  try {
    return { warnings: [...(await ask('mutate')), ...(await ask('validate'))], refused: [] };
  } catch (error) {
    return { warnings: [], refused: (error as ApiError).statusDetails?.causes ?? [] };
  }
}

describe.each(compatibilitySections)('admission and the compatibility table of $type', ({ type, rules }) => {
  const subject = SUBJECTS[type];
  const rows = compatibilityRows(type, rules).filter(({ support }) => support !== 'implemented');

  it('agree on a plain object', async () => {
    if (!subject) throw new Error(`no subject for ${type}`);
    expect(await admit(subject.resource, structuredClone(subject.spec))).toEqual({ warnings: [], refused: [] });
  });

  it.each(rows)('agree that $path gets: $support', async ({ path, support }) => {
    if (!subject) throw new Error(`no subject for ${type}`);
    const spec = structuredClone(subject.spec);
    for (const [pattern, prepare] of COMPANIONS) if (pattern.test(path)) prepare(spec as never);
    const field = put(spec, schemaOf(subject.resource), path);
    const { warnings, refused } = await admit(subject.resource, spec);
    if (support === 'warning') {
      expect(refused).toEqual([]);
      expect(warnings).toEqual([expect.stringContaining(`${field} has no effect here: `)]);
    } else expect(refused).toContainEqual(expect.objectContaining({ field, reason: 'FieldValueNotSupported' }));
  });
});

describe('values that ask for what happens anyway', () => {
  it.each<[string, object]>([
    ['ACPI', { features: { acpi: { enabled: true } } }],
    ['an APIC', { features: { apic: {} } }],
    ['the time of the world', { clock: { utc: { offsetSeconds: 0 } } }],
    ['no graphics device', { devices: { ...domain.devices, autoattachGraphicsDevice: false } }],
    ['a serial console', { devices: { ...domain.devices, autoattachSerialConsole: true, logSerialConsole: true } }],
  ])('get no Warning: %s', async (_, part) => {
    const spec = { ...vmi, domain: { ...structuredClone(domain), ...part } };
    expect(await admit(resources.virtualMachineInstances, spec)).toEqual({ warnings: [], refused: [] });
  });
});
