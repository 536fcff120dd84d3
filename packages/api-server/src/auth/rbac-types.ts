import type { KubeObject } from '@godwit/api';

/** Where RBAC objects are read; the lists may be the store's own. */
export interface RbacSource {
  roles(namespace: string): readonly KubeObject[];
  roleBindings(namespace: string): readonly KubeObject[];
  clusterRoles(): readonly KubeObject[];
  clusterRoleBindings(): readonly KubeObject[];
}

/** What somebody wants to do; `path` makes it a non-resource request, whose other fields besides `verb` do not count. */
export interface AccessAttributes {
  readonly verb: string;
  readonly group?: string;
  readonly resource?: string;
  readonly subresource?: string;
  /** Empty or absent: cluster-scoped, or all namespaces. */
  readonly namespace?: string;
  readonly name?: string;
  readonly path?: string;
}

/** rbac.authorization.k8s.io/v1 `PolicyRule`. */
export interface PolicyRule {
  readonly verbs?: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly nonResourceURLs?: readonly string[];
}
