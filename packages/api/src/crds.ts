import type { KubeObject, ResourceKind } from './index.ts';
import { resources } from './resources.ts';
import { expand, expandStatus } from './schema/expand.ts';

interface PrinterColumn {
  name: string;
  type: string;
  jsonPath: string;
  format?: string;
  description?: string;
  priority?: number;
}

interface CrdOptions {
  readonly shortNames?: string[];
  readonly categories?: string[];
  readonly spec: object;
  /** What the kind is, in a sentence. */
  readonly description?: string;
  /** Type of the table of statuses. Absent: nothing is said about the status. */
  readonly status?: string;
  /** Absent: the kind has no status subresource, its status is written through the object (VMI). */
  readonly statusSubresource: boolean;
  readonly columns: PrinterColumn[];
  readonly selectableFields?: string[];
  readonly requireSpec?: boolean;
}

const AGE: PrinterColumn = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };
const OPEN = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

function condition(type: string, member = 'status'): string {
  return `.status.conditions[?(@.type=='${type}')].${member}`;
}

function crd(resource: ResourceKind, options: CrdOptions): KubeObject {
  const singular = resource.kind.toLowerCase();
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${resource.plural}.${resource.group}` },
    spec: {
      group: resource.group,
      scope: resource.namespaced ? 'Namespaced' : 'Cluster',
      names: {
        kind: resource.kind,
        listKind: `${resource.kind}List`,
        plural: resource.plural,
        singular,
        ...(options.shortNames ? { shortNames: options.shortNames } : {}),
        ...(options.categories ? { categories: options.categories } : {}),
      },
      conversion: { strategy: 'None' },
      versions: [
        {
          name: resource.version,
          served: true,
          storage: true,
          ...(options.statusSubresource ? { subresources: { status: {} } } : {}),
          additionalPrinterColumns: options.columns,
          ...(options.selectableFields
            ? { selectableFields: options.selectableFields.map((jsonPath) => ({ jsonPath })) }
            : {}),
          schema: {
            openAPIV3Schema: {
              type: 'object',
              ...(options.description === undefined ? {} : { description: options.description }),
              properties: {
                apiVersion: { type: 'string' },
                kind: { type: 'string' },
                metadata: { type: 'object' },
                spec: options.spec,
                // Status is written by our own controllers and agents only; pruning it would only lose data.
                status: options.status === undefined ? OPEN : expandStatus(options.status),
              },
              ...(options.requireSpec === false ? {} : { required: ['spec'] }),
            },
          },
        },
      ],
    },
  };
}

/** Definitions of the kinds of KubeVirt, CDI and the migration policies, as the embedded API server serves them. */
export function customResourceDefinitions(): KubeObject[] {
  return [
    crd(resources.virtualMachines, {
      shortNames: ['vm', 'vms'],
      categories: ['all'],
      description: 'A machine that can be started and stopped, with its disks.',
      spec: expand('VirtualMachineSpec'),
      status: 'VirtualMachineStatus',
      statusSubresource: true,
      columns: [
        AGE,
        { name: 'Status', type: 'string', jsonPath: '.status.printableStatus' },
        { name: 'Ready', type: 'string', jsonPath: condition('Ready') },
      ],
    }),
    crd(resources.virtualMachineInstances, {
      shortNames: ['vmi', 'vmis'],
      categories: ['all'],
      description: 'A guest that runs, from its start to its end.',
      spec: expand('VirtualMachineInstanceSpec'),
      status: 'VirtualMachineInstanceStatus',
      statusSubresource: false,
      columns: [
        AGE,
        { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
        { name: 'IP', type: 'string', jsonPath: '.status.interfaces[0].ipAddress' },
        { name: 'NodeName', type: 'string', jsonPath: '.status.nodeName' },
        { name: 'Ready', type: 'string', jsonPath: condition('Ready') },
        { name: 'Live-Migratable', type: 'string', jsonPath: condition('LiveMigratable'), priority: 1 },
        { name: 'Paused', type: 'string', jsonPath: condition('Paused'), priority: 1 },
      ],
    }),
    crd(resources.virtualMachineInstanceMigrations, {
      shortNames: ['vmim', 'vmims'],
      categories: ['all'],
      description: 'One move of a guest to another node, to other storage or to another cluster.',
      spec: expand('VirtualMachineInstanceMigrationSpec'),
      status: 'VirtualMachineInstanceMigrationStatus',
      statusSubresource: true,
      columns: [
        { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
        { name: 'VMI', type: 'string', jsonPath: '.spec.vmiName' },
        { name: 'Method', type: 'string', jsonPath: '.status.migrationState.method' },
        { name: 'Stage', type: 'string', jsonPath: '.status.progress.stage' },
        { name: 'Done', type: 'integer', jsonPath: '.status.progress.bytesDone' },
        { name: 'Total', type: 'integer', jsonPath: '.status.progress.bytesTotal' },
        {
          name: 'Waiting',
          type: 'string',
          jsonPath: condition('migrationWaiting', 'reason'),
        },
        AGE,
        { name: 'ETA', type: 'integer', jsonPath: '.status.progress.etaSeconds', priority: 1 },
        { name: 'Verified', type: 'string', jsonPath: '.status.verification.result', priority: 1 },
        {
          name: 'Failed',
          type: 'string',
          jsonPath: condition('migrationFailed', 'message'),
          priority: 1,
        },
      ],
    }),
    crd(resources.kubeVirts, {
      shortNames: ['kv', 'kvs'],
      categories: ['all'],
      spec: expand('KubeVirtSpec'),
      status: 'KubeVirtStatus',
      statusSubresource: true,
      requireSpec: false,
      columns: [AGE, { name: 'Phase', type: 'string', jsonPath: '.status.phase' }],
    }),
    crd(resources.migrationPolicies, {
      description: 'Options of migrations for the guests that its selectors choose.',
      spec: expand('MigrationPolicySpec'),
      status: 'MigrationPolicyStatus',
      statusSubresource: true,
      columns: [AGE],
    }),
    crd(resources.dataVolumes, {
      shortNames: ['dv', 'dvs'],
      categories: ['all'],
      description: 'A claim that is filled with a disk image before it is used.',
      spec: expand('CdiDataVolumeSpec'),
      status: 'DataVolumeStatus',
      statusSubresource: true,
      columns: [
        { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
        { name: 'Progress', type: 'string', jsonPath: '.status.progress' },
        { name: 'Restarts', type: 'integer', jsonPath: '.status.restartCount' },
        AGE,
      ],
    }),
    crd(resources.storageProfiles, { spec: OPEN, statusSubresource: true, requireSpec: false, columns: [AGE] }),
    crd(resources.cdiConfigs, { spec: OPEN, statusSubresource: true, requireSpec: false, columns: [AGE] }),
    crd(resources.cdis, {
      shortNames: ['cdi', 'cdis'],
      spec: OPEN,
      statusSubresource: true,
      requireSpec: false,
      columns: [AGE, { name: 'Phase', type: 'string', jsonPath: '.status.phase' }],
    }),
  ];
}
