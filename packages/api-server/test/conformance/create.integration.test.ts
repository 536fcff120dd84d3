import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCluster } from '../support/cluster.ts';
import { Client, expectCause, expectStatus } from '../support/conformance.ts';
import { C, configMap, fixtures } from '../support/widgets.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures });
});
afterAll(() => cluster.stop());
const client = new Client(() => cluster);

/** A protobuf field of bytes shorter than 128. */
const field = (number: number, bytes: Iterable<number>): number[] => {
  const content = [...bytes];
  return [(number << 3) | 2, content.length, ...content];
};
const text = (value: string): Buffer => Buffer.from(value);

it('11. creates', async () => {
  const { code, body } = await client.post(C, configMap('c11'));
  expect(code).toBe(201);
  expect(body.metadata).toMatchObject({
    uid: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
    resourceVersion: expect.stringMatching(/^\d+$/),
    creationTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
  });
});

it('12. refuses a name that is taken', async () => {
  await client.post(C, configMap('c12'));
  const details = { name: 'c12', kind: 'configmaps' };
  expectStatus(await client.post(C, configMap('c12')), 409, 'AlreadyExists', details);
});

it('13. needs no kind for built-ins', async () => {
  expect((await client.post(C, { metadata: { name: 'c13' } })).code).toBe(201);
});

it('14. refuses the wrong kind', async () => {
  const body = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'c14' } };
  expectStatus(await client.post(C, body), 400, 'BadRequest');
});

it('15. needs the namespace', async () => {
  const reply = await client.post('/api/v1/namespaces/nowhere/configmaps', configMap('c15'));
  expectStatus(reply, 404, 'NotFound', { kind: 'namespaces' });
});

it('16. refuses another namespace in the body', async () => {
  expectStatus(await client.post(C, configMap('c16', {}, { namespace: 'other' })), 400, 'BadRequest');
});

it('17. needs a name', async () => {
  expectCause(await client.post(C, { metadata: {} }), 422, 'FieldValueRequired', 'metadata.name');
});

it('18. checks names', async () => {
  expectCause(await client.post(C, configMap('Bad_Name')), 422, 'FieldValueInvalid', 'metadata.name');
});

it('19. makes names', async () => {
  const { body } = await client.post(C, { metadata: { generateName: 'g-' } });
  expect(body.metadata.name).toMatch(/^g-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
});

it('20. cuts long prefixes', async () => {
  const { body } = await client.post(C, { metadata: { generateName: 'g'.repeat(70) } });
  expect(body.metadata.name).toHaveLength(63);
});

it('21. stores nothing on a dry run', async () => {
  const dry = await client.post(`${C}?dryRun=All`, configMap('c21'));
  expect(dry.code).toBe(201);
  expect(dry.body.metadata.resourceVersion).toBeUndefined();
  expect((await client.get(`${C}/c21`)).code).toBe(404);
});

it('22. knows one kind of dry run', async () => {
  expectStatus(await client.post(`${C}?dryRun=x`, configMap('c22')), 422, 'Invalid');
});

it('23. treats unknown and repeated fields as asked', async () => {
  const body = { ...configMap('c23'), extra: 1 };
  expectStatus(await client.post(`${C}?fieldValidation=Strict`, body), 400, 'BadRequest');
  const warned = await client.post(C, body);
  expect(warned).toMatchObject({ code: 201, headers: { warning: expect.stringContaining('extra') } });
  expect(warned.body.extra).toBeUndefined();
  const ignored = await client.post(`${C}?fieldValidation=Ignore`, { ...body, metadata: { name: 'c23i' } });
  expect(ignored.code).toBe(201);
  expect(ignored.headers.warning).toBeUndefined();

  const twice = '{"metadata":{"name":"c23d"},"data":{"a":"1","b":"\\"a\\":","a":"2"}}';
  const send = (query: string) => cluster.call('POST', `${C}${query}`, { raw: twice });
  const strict = await send('?fieldValidation=Strict');
  expectStatus(strict, 400, 'BadRequest');
  expect(strict.body.message).toContain('duplicate field "data.a"');
  expect(await send('')).toMatchObject({
    code: 201,
    body: { data: { a: '2' } },
    headers: { warning: expect.stringContaining('duplicate field') },
  });
});

it('24. refuses values of the wrong type', async () => {
  expectStatus(await client.post(C, configMap('c24', { a: 1 })), 400, 'BadRequest');
});

it('25. reads and writes YAML', async () => {
  const raw = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c25\n';
  const headers = { 'content-type': 'application/yaml', accept: 'application/yaml' };
  const reply = await cluster.call('POST', C, { raw, headers });
  expect(reply).toMatchObject({ code: 201, headers: { 'content-type': 'application/yaml' } });
});

it('26. reads protobuf', async () => {
  const typeMeta = [...field(1, text('v1')), ...field(2, text('ConfigMap'))];
  const entry = [...field(1, text('a')), ...field(2, text('1'))];
  const object = [...field(1, field(1, text('c26'))), ...field(2, entry)];
  const raw = Buffer.from([...text('k8s\0'), ...field(1, typeMeta), ...field(2, object)]);
  const headers = { 'content-type': 'application/vnd.kubernetes.protobuf', accept: 'application/json' };
  const reply = await cluster.call('POST', C, { raw, headers });
  expect(reply).toMatchObject({ code: 201, body: { kind: 'ConfigMap', metadata: { name: 'c26' }, data: { a: '1' } } });
});

it('27. refuses other encodings', async () => {
  const reply = await cluster.call('POST', C, { raw: 'a,b', headers: { 'content-type': 'text/csv' } });
  expectStatus(reply, 415, 'UnsupportedMediaType');
});

it('28. refuses to answer in other encodings', async () => {
  expectStatus(await client.get(C, { headers: { accept: 'text/csv' } }), 406, 'NotAcceptable');
});

it('29. takes a body without content type for JSON', async () => {
  expect((await cluster.call('POST', C, { raw: JSON.stringify(configMap('c29')) })).code).toBe(201);
});
