import { afterAll, beforeAll, expect, it } from 'vitest';
import { TestCluster } from '../support/cluster.ts';
import { Client, expectCause, expectStatus, TABLE } from '../support/conformance.ts';
import { C, configMap, fixtures, W, widget } from '../support/widgets.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: fixtures });
});
afterAll(() => cluster.stop());
const client = new Client(() => cluster);

it('30. tells what is missing', async () => {
  expectStatus(await client.get(`${C}/none`), 404, 'NotFound', { name: 'none', kind: 'configmaps' });
});

it('31. draws tables', async () => {
  await client.post(C, configMap('g31'));
  const { body } = await client.get(`${C}/g31`, { headers: { accept: TABLE } });
  expect(body).toMatchObject({ kind: 'Table', columnDefinitions: [{ name: 'Name', format: 'name' }, {}, {}] });
  expect(body.rows).toEqual([
    expect.objectContaining({ object: expect.objectContaining({ kind: 'PartialObjectMetadata' }) }),
  ]);
});

it('32. leaves objects out of tables', async () => {
  await client.post(C, configMap('g32'));
  const { body } = await client.get(`${C}/g32?includeObject=None`, { headers: { accept: TABLE } });
  expect(body.rows[0].object).toBeNull();
});

it('33. refuses other wishes about objects in tables', async () => {
  await client.post(C, configMap('g33'));
  expect((await client.get(`${C}/g33?includeObject=Bogus`, { headers: { accept: TABLE } })).code).toBe(400);
});

it('34. lists metadata only', async () => {
  await client.post(C, configMap('g34', { a: '1' }));
  const accept = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';
  const { body } = await client.get(C, { headers: { accept } });
  expect(body.kind).toBe('PartialObjectMetadataList');
  expect(body.items.length).toBeGreaterThan(0);
  expect(body.items.every((item: object) => 'metadata' in item && !('data' in item))).toBe(true);
});

it('35. updates at the current version', async () => {
  const { body } = await client.post(C, configMap('u35'));
  const reply = await client.put(`${C}/u35`, { ...body, data: { a: '1' } });
  expect(reply.code).toBe(200);
  expect(Number(reply.body.metadata.resourceVersion)).toBeGreaterThan(Number(body.metadata.resourceVersion));
});

it('36. refuses an old version', async () => {
  const { body } = await client.post(C, configMap('u36'));
  await client.put(`${C}/u36`, { ...body, data: { a: '1' } });
  expectStatus(await client.put(`${C}/u36`, { ...body, data: { a: '2' } }), 409, 'Conflict');
});

it('37. overwrites built-ins without a version', async () => {
  await client.post(C, configMap('u37'));
  expect((await client.put(`${C}/u37`, configMap('u37', { a: '1' }))).code).toBe(200);
});

it('38. needs the version of custom objects', async () => {
  await client.post(W, widget('u38'));
  const reply = await client.put(`${W}/u38`, widget('u38', { color: 'blue' }));
  expectCause(reply, 422, 'FieldValueInvalid', 'metadata.resourceVersion');
});

it('39. does nothing when nothing changes', async () => {
  const { body } = await client.post(C, configMap('u39', { a: '1' }));
  const watch = await cluster.watch(`${C}?watch=true&resourceVersion=${body.metadata.resourceVersion}`);
  const same = await client.put(`${C}/u39`, body);
  expect(same).toMatchObject({ code: 200, body: { metadata: { resourceVersion: body.metadata.resourceVersion } } });
  await client.post(C, configMap('u39-next'));
  await watch.wait('the next event', (line) => line.object.metadata.name === 'u39-next');
  expect(watch.lines).toHaveLength(1);
  watch.close();
});

it('40. refuses another name', async () => {
  await client.post(C, configMap('u40'));
  expectStatus(await client.put(`${C}/u40`, configMap('other')), 400, 'BadRequest');
});

it('41. creates by PUT where the kind allows it', async () => {
  expect((await client.put(`${C}/u41`, configMap('u41'))).code).toBe(404);
  const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'u41' } };
  expect((await client.put('/apis/coordination.k8s.io/v1/namespaces/t/leases/u41', lease)).code).toBe(201);
});

it('42. refuses another uid', async () => {
  await client.post(C, configMap('u42'));
  expectStatus(await client.put(`${C}/u42`, configMap('u42', {}, { uid: 'another' })), 409, 'Conflict');
});

it('43. merges', async () => {
  await client.post(C, configMap('p43', { a: '1', b: '2' }));
  const reply = await client.merge(`${C}/p43`, { data: { a: null, c: '3' } });
  expect(reply).toMatchObject({ code: 200, body: { data: { b: '2', c: '3' } } });
  expect(reply.body.data.a).toBeUndefined();
});

it('44. locks merges by version', async () => {
  const { body } = await client.post(C, configMap('p44'));
  const { resourceVersion } = body.metadata;
  await client.merge(`${C}/p44`, { data: { a: '1' } });
  const stale = { metadata: { resourceVersion }, data: { b: '1' } };
  expectStatus(await client.merge(`${C}/p44`, stale), 409, 'Conflict');
});

it('45. applies JSON patches', async () => {
  await client.post(C, configMap('p45', { a: '1' }));
  const patch = (body: unknown) => client.patch(`${C}/p45`, 'json-patch+json', body);
  expect((await patch([{ op: 'replace', path: '/data/a', value: '2' }])).body.data).toEqual({ a: '2' });
  expectStatus(await patch([{ op: 'test', path: '/data/a', value: '1' }]), 422, 'Invalid');
  expectStatus(await patch({}), 400, 'BadRequest');
});

it('46. needs a type of patch', async () => {
  await client.post(C, configMap('p46'));
  expectStatus(await client.patch(`${C}/p46`, 'json', {}), 415, 'UnsupportedMediaType');
});

it('47. merges no custom objects strategically', async () => {
  await client.post(W, widget('p47'));
  expectStatus(await client.patch(`${W}/p47`, 'strategic-merge-patch+json', {}), 415, 'UnsupportedMediaType');
});

it('48. merges built-ins strategically', async () => {
  const services = '/api/v1/namespaces/t/services';
  const ports = [
    { name: 'a', port: 1 },
    { name: 'b', port: 2 },
  ];
  await client.post(services, { metadata: { name: 'p48' }, spec: { ports } });
  const change = {
    spec: {
      ports: [
        { name: 'c', port: 3 },
        { port: 1, $patch: 'delete' },
      ],
    },
  };
  const { body } = await client.patch(`${services}/p48`, 'strategic-merge-patch+json', change);
  expect(body.spec.ports.map((one: { port: number }) => one.port).toSorted()).toEqual([2, 3]);
});

it('49. patches only what exists', async () => {
  expectStatus(await client.merge(`${C}/none`, {}), 404, 'NotFound');
});

it('50. forces only applies', async () => {
  await client.post(C, configMap('p50'));
  expectStatus(await client.merge(`${C}/p50?force=true`, { data: { a: '1' } }), 422, 'Invalid');
});
