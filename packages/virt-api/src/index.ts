import type { AdmissionPlugin } from '@godwit/api-server';
import { dataVolumeAdmission } from './admission/data-volume.ts';
import { evictionAdmission } from './admission/eviction.ts';
import { launcherPodAdmission } from './admission/launcher-pod.ts';
import { migrationAdmission } from './admission/migration.ts';
import { resourceQuotaAdmission } from './admission/resource-quota.ts';
import { settingsAdmission } from './admission/settings.ts';
import { virtualMachineAdmission } from './admission/virtual-machine.ts';
import { virtualMachineInstanceAdmission } from './admission/virtual-machine-instance.ts';
import { storageProfileAdmission } from './admission/storage-profile.ts';
import { uploadClaimAdmission } from './admission/upload-claim.ts';
import { workloadAdmission } from './admission/workloads.ts';

/** In the order in which they run. */
export const kubeVirtAdmission: readonly AdmissionPlugin[] = [
  virtualMachineAdmission,
  virtualMachineInstanceAdmission,
  migrationAdmission,
  launcherPodAdmission,
  resourceQuotaAdmission,
  evictionAdmission,
  dataVolumeAdmission,
  storageProfileAdmission,
  uploadClaimAdmission,
  settingsAdmission,
  workloadAdmission,
];

export { kubeVirtSubresources, kubeVirtVersion } from './subresources/group.ts';
export { uploadProxy } from './upload/proxy.ts';
export { publishUploadProxy } from './upload/publish.ts';
export { UploadTokens } from './upload/token.ts';
export { uploadTokenRequests } from './upload/token-requests.ts';
export { stableUuid } from './admission/defaults.ts';
export { controllersUser } from './users.ts';
export type { AgentCredentials } from './agent-connection.ts';
