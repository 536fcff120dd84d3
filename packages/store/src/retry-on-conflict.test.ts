import { expect, it } from 'vitest';
import { createMemoryStore } from './open.ts';
import { isStoreError } from './errors.ts';

it('lets a writer that retries conflicts at once get through', async () => {
  const store = createMemoryStore();
  const key = { resource: 'configmaps', namespace: 'a', name: 'b' };
  const object = (data: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'b' }, data: { data } });
  await store.write({ do: 'create', ...key, value: object('0') });
  const revision = store.get(key)?.revision ?? 0;
  let tries = 0;
  const first = store.write({ do: 'update', ...key, expected: revision, value: object('1') });
  // Reads what is committed, so it is in conflict until the first write is.
  const retrying = (async () => {
    for (;;) {
      tries++;
      try {
        return await store.write({ do: 'update', ...key, expected: store.get(key)?.revision ?? 0, value: object('2') });
      } catch (error) {
        if (!isStoreError(error, 'STORE_CONFLICT') || tries > 100) throw error;
      }
    }
  })();
  await first;
  expect((await retrying).value).toMatchObject({ data: { data: '2' } });
  expect(tries).toBe(2);
});
