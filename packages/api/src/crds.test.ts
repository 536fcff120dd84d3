import { describe, expect, it } from 'vitest';
import { customResourceDefinitions } from './crds.ts';
import { expand, expandStatus } from './schema/expand.ts';
import { specDescriptions, statusTypes } from './schema/status-types.ts';
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

  it('types and describes every status, drops nothing of it, and lets every field of it be null', () => {
    for (const [type, fields] of Object.entries(statusTypes)) {
      const schema = expandStatus(type);
      expect(schema['x-kubernetes-preserve-unknown-fields'], type).toBe(true);
      for (const field of Object.keys(fields)) {
        const property = schema.properties?.[field];
        expect(property, `${type}.${field}`).toMatchObject({ nullable: true });
        expect(property?.type, `${type}.${field}`).toBeDefined();
      }
    }
    const state = expandStatus('VirtualMachineInstanceStatus').properties?.['migrationState'];
    expect(state?.description).toMatch(/\.$/);
    expect(state?.properties?.['failureReason']?.description).toMatch(/\.$/);
  });

  it('says something about the status of every kind of KubeVirt', () => {
    const untyped = customResourceDefinitions()
      .filter(({ spec }) => JSON.stringify(spec).includes('kubevirt.io'))
      .filter((crd) => {
        const { versions } = crd.spec as { versions: { schema: { openAPIV3Schema: { properties?: object } } }[] };
        const { status } = (versions[0]?.schema.openAPIV3Schema.properties ?? {}) as {
          status?: { properties?: object };
        };
        return status?.properties === undefined;
      });
    expect(untyped.map(({ metadata }) => metadata.name).filter((name) => !name?.includes('.cdi.'))).toEqual([]);
  });

  it('describes fields that exist only', () => {
    for (const path of Object.keys(specDescriptions)) {
      const [type = '', field = ''] = path.split('.');
      expect(expand(type).properties?.[field]?.description, path).toMatch(/\.$/);
    }
  });
});
