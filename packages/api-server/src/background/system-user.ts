import type { UserInfo } from '../plugins.ts';

/** The identity of the server's own loops, as admission plug-ins see it. */
export function systemUser(controller: string): UserInfo {
  return {
    username: `system:serviceaccount:kube-system:${controller}`,
    groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated', 'system:masters'],
  };
}
