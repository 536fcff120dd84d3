import type { KubeObject } from '@godwit/api';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCluster } from '../support/cluster.ts';
import { Client, expectCause, expectStatus, TABLE } from '../support/conformance.ts';
import { eventually, fixtures, W, widget } from '../support/widgets.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures });
});
afterAll(() => cluster.stop());
const client = new Client(() => cluster);

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

function crd(plural: string, kind: string, schema: object = { type: 'object' }): KubeObject {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.more.io` },
    spec: {
      group: 'more.io',
      scope: 'Namespaced',
      names: { plural, kind },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: schema } }],
    },
  };
}

/** Status of a condition of a CRD, once it has one. */
async function condition(name: string, type: string): Promise<string> {
  const watch = await cluster.watch(`${CRDS}?watch=true&fieldSelector=metadata.name=${name}.more.io`);
  const find = (object: { status?: { conditions?: { type: string; status: string }[] } }) =>
    object.status?.conditions?.find((one) => one.type === type);
  const line = await watch.wait(`${type} of ${name}`, ({ object }) => find(object) !== undefined);
  watch.close();
  return find(line.object)?.status ?? '';
}

it('80. establishes definitions', async () => {
  expect((await client.post(CRDS, crd('firsts', 'First'))).code).toBe(201);
  expect(await condition('firsts', 'Established')).toBe('True');
  expectStatus(await client.post(CRDS, { ...crd('foos', 'Foo'), metadata: { name: 'foos.x' } }), 422, 'Invalid');
  const shapeless = crd('foos', 'Foo', { type: 'object', properties: { spec: { properties: {} } } });
  expectStatus(await client.post(CRDS, shapeless), 422, 'Invalid');
  expect((await client.post(CRDS, crd('seconds', 'First'))).code).toBe(201);
  expect(await condition('seconds', 'NamesAccepted')).toBe('False');
});

it('81. prunes and defaults', async () => {
  const { body } = await client.post(W, { ...widget('w81', { color: 'red', nope: 1 }), status: { replicas: 5 } });
  expect(body).toMatchObject({ metadata: { generation: 1 }, spec: { color: 'red', replicas: 1, max: 10 } });
  expect(body.spec.nope).toBeUndefined();
  expect(body.status).toBeUndefined();
});

it('82. validates', async () => {
  const post = (spec: object) => client.post(W, widget('w82', spec));
  expectCause(await post({ color: 'green' }), 422, 'FieldValueNotSupported', 'spec.color');
  expectCause(await post({}), 422, 'FieldValueRequired', 'spec.color');
  expectCause(await post({ color: 'red', tags: ['a', 'a'] }), 422, 'FieldValueDuplicate', 'spec.tags[1]');
});

it.skip('83. CEL rules: not evaluated by this server', () => undefined);

it('84. counts generations', async () => {
  const { body } = await client.post(W, widget('w84', { color: 'red' }, { finalizers: ['x.io/f'] }));
  expect(body.metadata.generation).toBe(1);
  const after = async (change: object, subresource = '') =>
    (await client.merge(`${W}/w84${subresource}`, change)).body.metadata.generation;
  expect(await after({ spec: { note: 'x' } })).toBe(2);
  expect(await after({ metadata: { labels: { a: 'b' } } })).toBe(2);
  expect(await after({ status: { replicas: 1 } }, '/status')).toBe(2);
  expect((await client.delete(`${W}/w84`)).body.metadata.generation).toBe(3);
});

it('85. keeps spec and metadata out of status writes', async () => {
  await client.post(W, widget('w85'));
  const change = { metadata: { labels: { a: 'b' } }, spec: { color: 'blue' }, status: { replicas: 3 } };
  const { body } = await client.merge(`${W}/w85/status`, change);
  expect(body).toMatchObject({ spec: { color: 'red' }, status: { replicas: 3 } });
  expect(body.metadata.labels).toBeUndefined();
});

it('86. scales', async () => {
  await client.post(W, widget('w86'));
  expect((await client.get(`${W}/w86/scale`)).body).toMatchObject({ kind: 'Scale', spec: { replicas: 1 } });
  expect((await client.merge(`${W}/w86/scale`, { spec: { replicas: 4 } })).code).toBe(200);
  expect((await client.get(`${W}/w86`)).body.spec.replicas).toBe(4);
});

it('87. draws tables of its columns', async () => {
  await client.post(W, widget('w87'));
  const { body } = await client.get(`${W}/w87`, { headers: { accept: TABLE } });
  const columns = body.columnDefinitions.map((one: { name: string; priority: number }) => [one.name, one.priority]);
  expect(columns).toEqual([
    ['Name', 0],
    ['Color', 0],
    ['Note', 0],
    ['Max', 1],
  ]);
  expect(body.rows[0].cells).toEqual(['w87', 'red', null, 10]);
});

it('88. serves several versions', async () => {
  const body = { ...widget('w88'), apiVersion: 'ex.io/v1alpha1' };
  const created = await client.post(W.replace('v1', 'v1alpha1'), body);
  expect(created.headers.warning).toMatch(/^299 - "/);
  expect((await client.get(`${W}/w88`)).body).toMatchObject({ apiVersion: 'ex.io/v1', spec: { replicas: 1, max: 10 } });
  expect((await client.get(W.replace('v1', 'v9'))).code).toBe(404);
});

it('89. forgets deleted definitions', async () => {
  await client.post(CRDS, crd('thirds', 'Third'));
  await condition('thirds', 'Established');
  const thirds = '/apis/more.io/v1/namespaces/t/thirds';
  await client.post(thirds, { apiVersion: 'more.io/v1', kind: 'Third', metadata: { name: 'a' } });
  await client.delete(`${CRDS}/thirds.more.io`);
  await eventually(cluster, `${CRDS}/thirds.more.io`, 404);
  expect((await client.get(`${thirds}/a`)).code).toBe(404);
  const { resources } = (await client.get('/apis/more.io/v1')).body;
  expect(resources.map((one: { name: string }) => one.name)).not.toContain('thirds');
});

it('keeps integers of any size', async () => {
  const schema = {
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        'x-kubernetes-preserve-unknown-fields': true,
        properties: { big: { type: 'integer', format: 'int64', maximum: 9_300_000_000_000_000_000 } },
      },
    },
  };
  await client.post(CRDS, crd('bigs', 'Big', schema));
  await condition('bigs', 'Established');
  const bigs = '/apis/more.io/v1/namespaces/t/bigs';
  const object = (spec: string) => `{"apiVersion":"more.io/v1","kind":"Big","metadata":{"name":"a"},"spec":${spec}}`;
  const raw = object('{"big":9223372036854775807,"other":[-9007199254740993]}');
  const watch = await cluster.watch(`${bigs}?watch=true`);
  expect((await cluster.call('POST', bigs, { raw })).code).toBe(201);
  await client.merge(`${bigs}/a`, { metadata: { labels: { a: 'b' } } });
  for (const path of [`${bigs}/a`, bigs]) {
    const { text } = await client.get(path);
    expect(text).toContain('"big":9223372036854775807');
    expect(text).toContain('-9007199254740993');
  }
  const { text: yaml } = await client.get(`${bigs}/a`, { headers: { accept: 'application/yaml' } });
  expect(yaml).toContain('big: 9223372036854775807');
  await watch.wait('change', (line) => line.type === 'MODIFIED');
  watch.close();
  const same = await cluster.call('PATCH', `${bigs}/a`, {
    raw: '{"spec":{"big":9223372036854775807}}',
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  const before = (await client.get(`${bigs}/a`)).body.metadata.resourceVersion;
  expect(same.body.metadata.resourceVersion).toBe(before);
  expectStatus(await cluster.call('POST', bigs, { raw: object('{"big":9400000000000000001}') }), 422, 'Invalid');
});
