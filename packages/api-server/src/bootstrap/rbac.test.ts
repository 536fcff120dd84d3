import { describe, expect, it } from 'vitest';
import type { PolicyRule } from '../auth/rbac-types.ts';
import { bootstrapRbac } from './rbac.ts';

function rulesOf(name: string): PolicyRule[] {
  const role = bootstrapRbac.find((one) => one.kind === 'ClusterRole' && one.metadata.name === name);
  // The cast is safe: cluster roles without aggregation carry rules.
  return (role as unknown as { rules: PolicyRule[] } | undefined)?.rules ?? [];
}

function allows(name: string, verb: string, resource: string): boolean {
  return rulesOf(name).some(
    (rule) => rule.resources?.includes(resource) === true && rule.verbs?.includes(verb) === true,
  );
}

describe('what node agents may do', () => {
  it.each([
    ['delete', 'persistentvolumes', true],
    ['delete', 'pods', true],
    ['delete', 'persistentvolumeclaims', false],
    ['create', 'pods', false],
    ['delete', 'virtualmachineinstances', false],
    ['patch', 'secrets', false],
  ])('%s %s: %s', (verb, resource, allowed) => expect(allows('system:node', verb, resource)).toBe(allowed));
});
