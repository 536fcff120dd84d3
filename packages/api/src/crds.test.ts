import { describe, expect, it } from 'vitest';
import { customResourceDefinitions } from './crds.ts';
import { expand } from './schema/expand.ts';
import { wireTypes } from './schema/wire-types.ts';

describe('custom resource definitions', () => {
  it('names every definition after its plural and group', () => {
    for (const crd of customResourceDefinitions()) {
      const spec = crd.spec as { group: string; names: { plural: string } };
      expect(crd.metadata.name).toBe(`${spec.names.plural}.${spec.group}`);
    }
  });

  it('expands every type of the wire table', () => {
    for (const type of Object.keys(wireTypes)) expect(expand(type).type, type).toBe('object');
  });

  it('keeps required fields and lists of the VMI spec', () => {
    const schema = expand('VirtualMachineInstanceSpec');
    expect(schema.required).toEqual(['domain']);
    expect(schema.properties?.['volumes']?.items?.properties?.['dataVolume']?.required).toEqual(['name']);
    expect(schema.properties?.['domain']?.properties?.['memory']?.properties?.['guest']).toMatchObject({
      'x-kubernetes-int-or-string': true,
    });
  });
});
