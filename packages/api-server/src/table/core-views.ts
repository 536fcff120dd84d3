import { isDefaultClass } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import { formatAge } from './age.ts';
import type { TableView } from './types.ts';
import {
  accessModes,
  age,
  at,
  column,
  count,
  items,
  labelText,
  NAME_COLUMN,
  orNone,
  size,
  text,
  view,
} from './view.ts';

const ROLE_LABEL = 'node-role.kubernetes.io/';

const nodes = view(
  [
    'Status',
    'Roles',
    'Age',
    'Version',
    'Internal-IP*',
    'External-IP*',
    'OS-Image*',
    'Kernel-Version*',
    'Container-Runtime*',
  ],
  (node, nowMs) => {
    const ready = items(node, 'status', 'conditions').find((condition) => text(condition, 'type') === 'Ready');
    const states = [ready === undefined ? 'Unknown' : text(ready, 'status') === 'True' ? 'Ready' : 'NotReady'];
    if (at(node, 'spec', 'unschedulable') === true) states.push('SchedulingDisabled');
    const roles = Object.entries(node.metadata.labels ?? {}).flatMap(([key, value]) => {
      if (key.startsWith(ROLE_LABEL)) return [key.slice(ROLE_LABEL.length)];
      return key === 'kubernetes.io/role' && value !== '' ? [value] : [];
    });
    const address = (type: string): string =>
      text(
        items(node, 'status', 'addresses').find((entry) => text(entry, 'type') === type),
        'address',
      );
    const info = at(node, 'status', 'nodeInfo');
    return [
      states.join(','),
      orNone(roles.filter(Boolean).toSorted().join(',')),
      age(node, nowMs),
      text(info, 'kubeletVersion'),
      orNone(address('InternalIP')),
      orNone(address('ExternalIP')),
      orNone(text(info, 'osImage'), '<unknown>'),
      orNone(text(info, 'kernelVersion'), '<unknown>'),
      orNone(text(info, 'containerRuntimeVersion'), '<unknown>'),
    ];
  },
);

const services = view(['Type', 'Cluster-IP', 'External-IP', 'Port(s)', 'Age', 'Selector*'], (service, nowMs) => [
  text(service, 'spec', 'type'),
  orNone(text(service, 'spec', 'clusterIP')),
  externalAddress(service),
  orNone(items(service, 'spec', 'ports').map(portText).join(',')),
  age(service, nowMs),
  labelText(at(service, 'spec', 'selector')),
]);

function externalAddress(service: unknown): string {
  const external = items(service, 'spec', 'externalIPs').join(',');
  switch (text(service, 'spec', 'type')) {
    case 'ExternalName':
      return text(service, 'spec', 'externalName');
    case 'LoadBalancer': {
      const ingress = items(service, 'status', 'loadBalancer', 'ingress').map(
        (entry) => text(entry, 'ip') || text(entry, 'hostname'),
      );
      return orNone([...ingress, external].filter(Boolean).join(','), '<pending>');
    }
    default:
      return orNone(external);
  }
}

function portText(port: unknown): string {
  const node = count(port, 'nodePort');
  return `${count(port, 'port')}${node === 0 ? '' : `:${node}`}/${text(port, 'protocol')}`;
}

const claims = view(
  ['Status', 'Volume', 'Capacity', 'Access Modes', 'StorageClass', 'VolumeAttributesClass', 'Age', 'VolumeMode*'],
  (claim, nowMs) => {
    const volume = text(claim, 'spec', 'volumeName');
    return [
      phase(claim),
      volume,
      volume === '' ? '' : text(claim, 'status', 'capacity', 'storage'),
      volume === '' ? '' : accessModes(at(claim, 'status', 'accessModes')),
      claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'] ??
        text(claim, 'spec', 'storageClassName'),
      orNone(text(claim, 'spec', 'volumeAttributesClassName'), '<unset>'),
      age(claim, nowMs),
      orNone(text(claim, 'spec', 'volumeMode'), '<unset>'),
    ];
  },
);

const volumes = view(
  [
    'Capacity',
    'Access Modes',
    'Reclaim Policy',
    'Status',
    'Claim',
    'StorageClass',
    'VolumeAttributesClass',
    'Reason',
    'Age',
    'VolumeMode*',
  ],
  (volume, nowMs) => {
    const claim = at(volume, 'spec', 'claimRef');
    return [
      text(volume, 'spec', 'capacity', 'storage'),
      accessModes(at(volume, 'spec', 'accessModes')),
      text(volume, 'spec', 'persistentVolumeReclaimPolicy'),
      phase(volume),
      claim === undefined ? '' : `${text(claim, 'namespace')}/${text(claim, 'name')}`,
      text(volume, 'spec', 'storageClassName'),
      orNone(text(volume, 'spec', 'volumeAttributesClassName'), '<unset>'),
      text(volume, 'status', 'reason'),
      age(volume, nowMs),
      orNone(text(volume, 'spec', 'volumeMode'), '<unset>'),
    ];
  },
);

function phase(object: { metadata: { deletionTimestamp?: string } }): string {
  return object.metadata.deletionTimestamp === undefined ? text(object, 'status', 'phase') : 'Terminating';
}

const plainClasses = view(
  ['Provisioner', 'ReclaimPolicy', 'VolumeBindingMode', 'AllowVolumeExpansion', 'Age'],
  (storageClass, nowMs) => [
    text(storageClass, 'provisioner'),
    orNone(text(storageClass, 'reclaimPolicy'), 'Delete'),
    orNone(text(storageClass, 'volumeBindingMode'), 'Immediate'),
    at(storageClass, 'allowVolumeExpansion') === true,
    age(storageClass, nowMs),
  ],
);
const storageClasses: TableView = {
  columns: plainClasses.columns,
  cells: (object, nowMs) => {
    const [name, ...rest] = plainClasses.cells(object, nowMs);
    const isDefault = isDefaultClass(object);
    return [isDefault ? `${String(name)} (default)` : name, ...rest];
  },
};

/** Serves both APIs: core events and events.k8s.io name the same things differently. */
const events: TableView = {
  columns: [
    column('Last Seen', 'string'),
    column('Type', 'string'),
    column('Reason', 'string'),
    column('Object', 'string'),
    column('Subobject', 'string', '', '', 1),
    column('Source', 'string', '', '', 1),
    column('Message', 'string'),
    column('First Seen', 'string', '', '', 1),
    column('Count', 'string', '', '', 1),
    column('Name', 'string', 'name', NAME_COLUMN.description, 1),
  ],
  cells: (event, nowMs) => {
    const subject = at(event, 'involvedObject') ?? at(event, 'regarding');
    const source = at(event, 'source') ?? at(event, 'deprecatedSource');
    const first = text(event, 'firstTimestamp') || text(event, 'deprecatedFirstTimestamp') || text(event, 'eventTime');
    const last =
      text(event, 'series', 'lastObservedTime') ||
      text(event, 'lastTimestamp') ||
      text(event, 'deprecatedLastTimestamp') ||
      first;
    const component =
      text(source, 'component') || text(event, 'reportingComponent') || text(event, 'reportingController');
    const host = text(source, 'host') || text(event, 'reportingInstance');
    const times = count(event, 'series', 'count') || count(event, 'count') || count(event, 'deprecatedCount') || 1;
    return [
      formatAge(last, nowMs),
      text(event, 'type'),
      text(event, 'reason'),
      `${text(subject, 'kind').toLowerCase()}/${text(subject, 'name')}`,
      text(subject, 'fieldPath'),
      [component, host].filter(Boolean).join(', '),
      (text(event, 'message') || text(event, 'note')).trim(),
      formatAge(first, nowMs),
      times,
      event.metadata.name ?? '',
    ];
  },
};

const endpoints = view(['Endpoints', 'Age'], (object, nowMs) => {
  const addresses = items(object, 'subsets').flatMap((subset) =>
    items(subset, 'addresses').flatMap((address) => {
      const ports = items(subset, 'ports').map((port) => `:${count(port, 'port')}`);
      return (ports.length === 0 ? [''] : ports).map((port) => `${text(address, 'ip')}${port}`);
    }),
  );
  const more = addresses.length > 3 ? ` + ${addresses.length - 3} more...` : '';
  return [orNone(addresses.slice(0, 3).join(',')) + more, age(object, nowMs)];
});

/** Views of core, storage and coordination kinds, by `group/Kind`. */
export const coreViews: Readonly<Record<string, TableView>> = {
  '/Node': nodes,
  '/Namespace': view(['Status', 'Age'], (object, nowMs) => [text(object, 'status', 'phase'), age(object, nowMs)]),
  '/ConfigMap': view(['Data:integer', 'Age'], (object, nowMs) => [
    size(at(object, 'data')) + size(at(object, 'binaryData')),
    age(object, nowMs),
  ]),
  '/Secret': view(['Type', 'Data:integer', 'Age'], (object, nowMs) => [
    text(object, 'type'),
    size(at(object, 'data')),
    age(object, nowMs),
  ]),
  '/Service': services,
  '/Endpoints': endpoints,
  '/PersistentVolumeClaim': claims,
  '/PersistentVolume': volumes,
  '/ServiceAccount': view(['Secrets:integer', 'Age'], (object, nowMs) => [
    size(at(object, 'secrets')),
    age(object, nowMs),
  ]),
  '/Event': events,
  'events.k8s.io/Event': events,
  'storage.k8s.io/StorageClass': storageClasses,
  'coordination.k8s.io/Lease': view(['Holder', 'Age'], (object, nowMs) => [
    text(object, 'spec', 'holderIdentity'),
    age(object, nowMs),
  ]),
  'discovery.k8s.io/EndpointSlice': view(['AddressType', 'Ports', 'Endpoints', 'Age'], (object, nowMs) => [
    text(object, 'addressType'),
    orNone(
      items(object, 'ports')
        .map((port) => count(port, 'port'))
        .join(','),
      '<unset>',
    ),
    orNone(
      items(object, 'endpoints')
        .flatMap((endpoint) => items(endpoint, 'addresses'))
        .filter((ip) => !isObject(ip))
        .join(','),
      '<unset>',
    ),
    age(object, nowMs),
  ]),
};
