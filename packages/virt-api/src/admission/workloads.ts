import type { AdmissionPlugin } from '@godwit/api-server';
import { names } from '@godwit/api';

/** Kinds that are kept, and that no controller carries out. */
const WORKLOADS: Readonly<Record<string, readonly string[]>> = {
  apps: ['deployments', 'replicasets', 'statefulsets', 'daemonsets'],
  batch: ['jobs', 'cronjobs'],
};
const WHY = 'only virt-launcher pods run on local nodes';

/** Tells who makes a workload other than a virtual machine that nothing will run it. */
export const workloadAdmission: AdmissionPlugin = {
  name: 'workloads.godwit.dev',
  validate({ operation, resource: { group, plural, kind }, subresource, object }) {
    if (operation !== 'CREATE' || subresource !== '') return [];
    const isPod = group === '' && plural === 'pods' && object?.metadata.labels?.[names.appLabel] !== 'virt-launcher';
    if (isPod) return [`this Pod will never start: ${WHY}`];
    return WORKLOADS[group]?.includes(plural) === true ? [`this ${kind} makes no pods: ${WHY}`] : [];
  },
};
