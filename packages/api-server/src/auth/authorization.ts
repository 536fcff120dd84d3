import type { KubeObject } from '@godwit/api';
import type { ObjectStore } from '@godwit/store';
import { ApiError } from '../api-error.ts';
import { storedObject } from '../objects/object-reader.ts';
import type { UserInfo } from '../plugins.ts';
import { authorize, rulesFor } from './rbac.ts';
import type { Decision, SubjectRules } from './rbac.ts';
import type { AccessAttributes, RbacSource } from './rbac-types.ts';

const RBAC = 'rbac.authorization.k8s.io';

/** RBAC over the objects of the store. */
export class Authorizer {
  readonly #source: RbacSource;

  constructor(store: ObjectStore) {
    const list = (plural: string, namespace = ''): KubeObject[] =>
      store.list(`${plural}.${RBAC}`, namespace).items.map((entry) => storedObject(entry.value));
    this.#source = {
      roles: (namespace) => list('roles', namespace),
      roleBindings: (namespace) => list('rolebindings', namespace),
      clusterRoles: () => list('clusterroles'),
      clusterRoleBindings: () => list('clusterrolebindings'),
    };
  }

  decide(user: UserInfo, attributes: AccessAttributes): Decision {
    return authorize(this.#source, user, attributes);
  }

  rules(user: UserInfo, namespace: string): SubjectRules {
    return rulesFor(this.#source, user, namespace);
  }

  /** Rejects with 403 in the words that tooling parses. */
  require(user: UserInfo, attributes: AccessAttributes): void {
    if (!this.decide(user, attributes).allowed) throw refusal(user, attributes);
  }
}

function refusal(user: UserInfo, attributes: AccessAttributes): ApiError {
  const { verb, group = '', resource = '', subresource = '', namespace = '', name = '', path } = attributes;
  if (path !== undefined) {
    const message = `forbidden: User "${user.username}" cannot ${verb} path "${path}"`;
    return new ApiError({ code: 403, reason: 'Forbidden', message, details: {} });
  }
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  const where = namespace === '' ? 'at the cluster scope' : `in the namespace "${namespace}"`;
  const subject = `${resource}${group === '' ? '' : `.${group}`}${name === '' ? '' : ` "${name}"`}`;
  const message = `${subject} is forbidden: User "${user.username}" cannot ${verb} resource "${full}" in API group "${group}" ${where}`;
  const details = { ...(name === '' ? {} : { name }), ...(group === '' ? {} : { group }), kind: resource };
  return new ApiError({ code: 403, reason: 'Forbidden', message, details });
}
