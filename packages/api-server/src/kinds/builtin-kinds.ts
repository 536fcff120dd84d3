import type { KubeObject } from '@godwit/api';
import { resourceKey } from '@godwit/store';
import { builtInSchema } from '../schema/builtin/kinds.ts';
import {
  bindingStrategy,
  csrStrategy,
  eventStrategy,
  namespaceStrategy,
  nodeStrategy,
  quotaStrategy,
  serviceStrategy,
} from './cluster.ts';
import { configMapStrategy, secretStrategy } from './config.ts';
import { crdStrategy } from './crd-strategy.ts';
import { eventFromCore, eventToCore } from './events.ts';
import { textAt } from './fields.ts';
import { podStrategy } from './pod.ts';
import { ALL_VERBS } from './served-kind.ts';
import type { GenerationRule, NamedSubresource, NameRule, ServedKind, Strategy } from './served-kind.ts';
import { claimStrategy, storageClassStrategy, volumeStrategy } from './volumes.ts';

interface Row {
  readonly short?: readonly string[];
  readonly categories?: readonly string[];
  readonly cluster?: boolean;
  readonly status?: boolean;
  readonly scale?: boolean;
  readonly sub?: readonly NamedSubresource[];
  readonly strategy?: Strategy;
  readonly generation?: GenerationRule;
  readonly names?: NameRule;
  readonly versionRequired?: boolean;
  readonly createOnUpdate?: boolean;
  readonly selectors?: readonly string[];
}

const ALL = ['all'];
const EXTENSIONS = ['api-extensions'];
const WORKLOAD: Row = { categories: ALL, status: true, generation: 'spec' };
const SCALABLE: Row = { ...WORKLOAD, scale: true };
const RBAC: Row = { names: 'path', createOnUpdate: true };
const EVENT_FIELDS = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'];

const TABLE: Readonly<Record<string, Readonly<Record<string, Row>>>> = {
  '/v1': {
    'namespaces Namespace': {
      short: ['ns'],
      cluster: true,
      status: true,
      sub: [{ name: 'finalize', kind: 'Namespace', verbs: ['update'] }],
      strategy: namespaceStrategy,
      names: 'label',
      selectors: ['status.phase'],
    },
    'nodes Node': {
      short: ['no'],
      cluster: true,
      status: true,
      strategy: nodeStrategy,
      selectors: ['spec.unschedulable'],
    },
    'pods Pod': {
      short: ['po'],
      categories: ALL,
      status: true,
      sub: [
        { name: 'binding', kind: 'Binding', verbs: ['create'] },
        { name: 'eviction', kind: 'Eviction', verbs: ['create'], group: 'policy', version: 'v1' },
        { name: 'log', kind: 'Pod', verbs: ['get'] },
      ],
      strategy: podStrategy,
      selectors: [
        'spec.nodeName',
        'spec.restartPolicy',
        'spec.schedulerName',
        'spec.serviceAccountName',
        'spec.hostNetwork',
        'status.phase',
        'status.podIP',
        'status.podIPs',
        'status.nominatedNodeName',
      ],
    },
    'configmaps ConfigMap': { short: ['cm'], strategy: configMapStrategy },
    'secrets Secret': { strategy: secretStrategy, selectors: ['type'] },
    'serviceaccounts ServiceAccount': {
      short: ['sa'],
      sub: [
        {
          name: 'token',
          kind: 'TokenRequest',
          verbs: ['create'],
          group: 'authentication.k8s.io',
          version: 'v1',
        },
      ],
    },
    'services Service': {
      ...WORKLOAD,
      generation: 'none',
      short: ['svc'],
      names: 'dns1035',
      createOnUpdate: true,
      strategy: serviceStrategy,
    },
    'endpoints Endpoints': { short: ['ep'], createOnUpdate: true },
    'events Event': {
      short: ['ev'],
      createOnUpdate: true,
      strategy: eventStrategy,
      selectors: [
        ...EVENT_FIELDS.map((field) => `involvedObject.${field}`),
        'reason',
        'reportingComponent',
        'source',
        'type',
      ],
    },
    'persistentvolumeclaims PersistentVolumeClaim': { short: ['pvc'], status: true, strategy: claimStrategy },
    'persistentvolumes PersistentVolume': { short: ['pv'], cluster: true, status: true, strategy: volumeStrategy },
    'limitranges LimitRange': { short: ['limits'], createOnUpdate: true },
    'resourcequotas ResourceQuota': { short: ['quota'], status: true, strategy: quotaStrategy },
  },
  'apps/v1': {
    'deployments Deployment': { ...SCALABLE, short: ['deploy'] },
    'replicasets ReplicaSet': { ...SCALABLE, short: ['rs'] },
    'statefulsets StatefulSet': { ...SCALABLE, short: ['sts'] },
    'daemonsets DaemonSet': { ...WORKLOAD, short: ['ds'] },
  },
  'batch/v1': {
    'jobs Job': WORKLOAD,
    'cronjobs CronJob': { ...WORKLOAD, short: ['cj'] },
  },
  'storage.k8s.io/v1': {
    'storageclasses StorageClass': { short: ['sc'], cluster: true, strategy: storageClassStrategy },
    'csidrivers CSIDriver': { cluster: true, versionRequired: true },
    'csinodes CSINode': { cluster: true, versionRequired: true },
    'volumeattachments VolumeAttachment': { cluster: true, status: true, versionRequired: true },
  },
  'coordination.k8s.io/v1': { 'leases Lease': { versionRequired: true, createOnUpdate: true } },
  'events.k8s.io/v1': { 'events Event': { short: ['ev'], createOnUpdate: true, strategy: {} } },
  'rbac.authorization.k8s.io/v1': {
    'roles Role': RBAC,
    'clusterroles ClusterRole': { ...RBAC, cluster: true },
    'rolebindings RoleBinding': { ...RBAC, strategy: bindingStrategy },
    'clusterrolebindings ClusterRoleBinding': { ...RBAC, cluster: true, strategy: bindingStrategy },
  },
  'certificates.k8s.io/v1': {
    'certificatesigningrequests CertificateSigningRequest': {
      short: ['csr'],
      cluster: true,
      status: true,
      sub: [{ name: 'approval', kind: 'CertificateSigningRequest', verbs: ['get', 'patch', 'update'] }],
      strategy: csrStrategy,
      selectors: ['spec.signerName'],
    },
  },
  'apiextensions.k8s.io/v1': {
    'customresourcedefinitions CustomResourceDefinition': {
      short: ['crd', 'crds'],
      categories: EXTENSIONS,
      cluster: true,
      status: true,
      strategy: crdStrategy,
      generation: 'spec',
      versionRequired: true,
    },
  },
  'apiregistration.k8s.io/v1': {
    'apiservices APIService': { categories: EXTENSIONS, cluster: true, status: true, versionRequired: true },
  },
  'admissionregistration.k8s.io/v1': {
    'validatingwebhookconfigurations ValidatingWebhookConfiguration': {
      categories: EXTENSIONS,
      cluster: true,
      generation: 'everything',
      versionRequired: true,
    },
    'mutatingwebhookconfigurations MutatingWebhookConfiguration': {
      categories: EXTENSIONS,
      cluster: true,
      generation: 'everything',
      versionRequired: true,
    },
  },
  'policy/v1': {
    'poddisruptionbudgets PodDisruptionBudget': {
      short: ['pdb'],
      status: true,
      generation: 'spec',
      versionRequired: true,
    },
  },
  'discovery.k8s.io/v1': { 'endpointslices EndpointSlice': { generation: 'everything' } },
  'scheduling.k8s.io/v1': { 'priorityclasses PriorityClass': { short: ['pc'], cluster: true } },
};

const SCALE_PATHS = {
  specReplicasPath: '.spec.replicas',
  statusReplicasPath: '.status.replicas',
} as const;

function selector(path: string): (object: KubeObject) => string {
  if (path === 'source') return (object) => textAt(object, 'source.component') || textAt(object, 'reportingComponent');
  if (path === 'spec.unschedulable') return (object) => textAt(object, path) || 'false';
  return (object) => textAt(object, path);
}

function served(groupVersion: string, key: string, row: Row): ServedKind {
  const [group = '', version = ''] = groupVersion.split('/');
  const [plural = '', kind = ''] = key.split(' ');
  const isNewEvent = group === 'events.k8s.io';
  return {
    group,
    version,
    plural,
    kind,
    namespaced: !row.cluster,
    storeKey: isNewEvent ? 'events' : resourceKey(group, plural),
    singular: kind.toLowerCase(),
    listKind: `${kind}List`,
    shortNames: row.short ?? [],
    categories: row.categories ?? [],
    verbs: plural === 'namespaces' ? ALL_VERBS.filter((verb) => verb !== 'deletecollection') : ALL_VERBS,
    custom: false,
    schema: builtInSchema(group, version, kind),
    hasStatus: row.status ?? false,
    scale: row.scale ? SCALE_PATHS : undefined,
    subresources: row.sub ?? [],
    strategy: row.strategy ?? {},
    generation: row.generation ?? 'none',
    nameRule: row.names ?? 'subdomain',
    versionRequired: row.versionRequired ?? false,
    createOnUpdate: row.createOnUpdate ?? false,
    historyStart: 0,
    printerColumns: undefined,
    deprecationWarning: undefined,
    fieldSelectors: Object.fromEntries((row.selectors ?? []).map((path) => [path, selector(path)])),
    read: isNewEvent ? eventFromCore : (stored) => stored,
    write: isNewEvent ? eventToCore : (object) => object,
  };
}

/** The kinds that need no CRD, in the order discovery lists their groups. */
export const builtInKinds: readonly ServedKind[] = Object.entries(TABLE).flatMap(([groupVersion, rows]) =>
  Object.entries(rows).map(([key, row]) => served(groupVersion, key, row)),
);
