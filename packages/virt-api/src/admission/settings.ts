import type { AdmissionPlugin } from '@godwit/api-server';
import { findUnsupported, kubeVirtSpecSupport, migrationPolicySpecSupport } from '@godwit/api';
import type { SupportRules } from '@godwit/api';
import { jsonEqual } from '@godwit/core/json';
import { isControllers } from '../users.ts';

const RULES: Readonly<Record<string, SupportRules>> = {
  kubevirts: kubeVirtSpecSupport,
  migrationpolicies: migrationPolicySpecSupport,
};

/** Admission of the KubeVirt object and of MigrationPolicy: settings without effect are answered with a Warning. */
export const settingsAdmission: AdmissionPlugin = {
  name: 'settings.godwit.dev',
  validate(request) {
    const rules = RULES[request.resource.plural];
    if (!rules || request.subresource !== '' || request.operation === 'DELETE' || isControllers(request.user))
      return [];
    const spec = request.object?.['spec'];
    if (jsonEqual(spec, request.oldObject?.['spec'])) return [];
    return findUnsupported(rules, spec, 'spec').map(
      ({ field, rule }) => `${field} has no effect here: ${rule.note ?? ''}`,
    );
  },
};
