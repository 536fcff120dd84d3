export * from './types.ts';
export * from './errors.ts';
export { createKubeClient } from './client.ts';
export type { KubeClientOptions } from './client.ts';
export { fromKubeconfig } from './kubeconfig.ts';
