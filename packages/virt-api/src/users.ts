import type { UserInfo } from '@godwit/api-server';

/** Common name of the client certificate of a cluster's controllers. */
export const controllersUser = 'system:kubevirt:controller';

/** Effects of a verb are carried out as the controllers: the caller was authorized for the verb, not for the objects. */
export const asControllers: UserInfo = {
  username: controllersUser,
  groups: ['system:masters', 'system:authenticated'],
};

export function isControllers(user: UserInfo): boolean {
  return user.username === controllersUser;
}

/** Somebody who may do everything, by the certificate that the cluster was set up with. */
export function isAdministrator(user: UserInfo): boolean {
  return user.groups.includes('system:masters');
}

/** Node name of a node agent's user, or undefined for anybody else. */
export function agentNode(user: UserInfo): string | undefined {
  return user.username.startsWith('system:node:') ? user.username.slice('system:node:'.length) : undefined;
}
