/** Where a kind lives: everything needed to build its URL. */
export interface ResourceKind {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

const core = (plural: string, kind: string, namespaced = true): ResourceKind => ({
  group: '',
  version: 'v1',
  plural,
  kind,
  namespaced,
});
const of = (group: string, version: string, plural: string, kind: string, namespaced = true): ResourceKind => ({
  group,
  version,
  plural,
  kind,
  namespaced,
});

/** Every kind that Godwit's own code reads or writes. */
export const resources = {
  namespaces: core('namespaces', 'Namespace', false),
  nodes: core('nodes', 'Node', false),
  pods: core('pods', 'Pod'),
  configMaps: core('configmaps', 'ConfigMap'),
  secrets: core('secrets', 'Secret'),
  serviceAccounts: core('serviceaccounts', 'ServiceAccount'),
  events: core('events', 'Event'),
  resourceQuotas: core('resourcequotas', 'ResourceQuota'),
  persistentVolumeClaims: core('persistentvolumeclaims', 'PersistentVolumeClaim'),
  persistentVolumes: core('persistentvolumes', 'PersistentVolume', false),
  storageClasses: of('storage.k8s.io', 'v1', 'storageclasses', 'StorageClass', false),
  leases: of('coordination.k8s.io', 'v1', 'leases', 'Lease'),
  certificateSigningRequests: of(
    'certificates.k8s.io',
    'v1',
    'certificatesigningrequests',
    'CertificateSigningRequest',
    false,
  ),
  customResourceDefinitions: of(
    'apiextensions.k8s.io',
    'v1',
    'customresourcedefinitions',
    'CustomResourceDefinition',
    false,
  ),
  virtualMachines: of('kubevirt.io', 'v1', 'virtualmachines', 'VirtualMachine'),
  virtualMachineInstances: of('kubevirt.io', 'v1', 'virtualmachineinstances', 'VirtualMachineInstance'),
  virtualMachineInstanceMigrations: of(
    'kubevirt.io',
    'v1',
    'virtualmachineinstancemigrations',
    'VirtualMachineInstanceMigration',
  ),
  kubeVirts: of('kubevirt.io', 'v1', 'kubevirts', 'KubeVirt'),
  migrationPolicies: of('migrations.kubevirt.io', 'v1alpha1', 'migrationpolicies', 'MigrationPolicy', false),
  dataVolumes: of('cdi.kubevirt.io', 'v1beta1', 'datavolumes', 'DataVolume'),
  storageProfiles: of('cdi.kubevirt.io', 'v1beta1', 'storageprofiles', 'StorageProfile', false),
  cdiConfigs: of('cdi.kubevirt.io', 'v1beta1', 'cdiconfigs', 'CDIConfig', false),
  cdis: of('cdi.kubevirt.io', 'v1beta1', 'cdis', 'CDI', false),
} as const satisfies Record<string, ResourceKind>;

export function apiVersionOf(resource: ResourceKind): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}

/** Path of the collection (no name) or of one object, with an optional subresource. */
export function resourcePath(resource: ResourceKind, namespace = '', name = '', subresource = ''): string {
  const base = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const scope = resource.namespaced && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  const tail = name === '' ? '' : `/${encodeURIComponent(name)}${subresource === '' ? '' : `/${subresource}`}`;
  return `${base}${scope}/${resource.plural}${tail}`;
}
