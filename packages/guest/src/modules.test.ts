import { expect, test } from 'vitest';
import { dependsOf, loadOrder, moduleName } from './modules.ts';
import type { KernelModule } from './modules.ts';

const file = (depends: string) => Buffer.from(`\x7fELF\0license=GPL\0depends=${depends}\0retpoline=Y\0`);

test('the modules a module needs are those its modinfo names', () => {
  expect(dependsOf(file('virtio_ring,virtio,net-failover'))).toEqual(['net_failover', 'virtio', 'virtio_ring']);
  expect(dependsOf(file(''))).toEqual([]);
  expect(dependsOf(Buffer.from('no modinfo'))).toEqual([]);
});

test('a file is the module of the same name with underscores', () => {
  expect(moduleName('a/b/virtio-rng.ko')).toBe('virtio_rng');
});

test('each module comes after all it needs, once', () => {
  const depends: Record<string, string[]> = {
    virtio_net: ['virtio', 'net_failover'],
    net_failover: ['failover'],
    failover: [],
    virtio: ['virtio_ring'],
    virtio_ring: [],
    virtio_blk: ['virtio', 'virtio_ring'],
  };
  const load = (name: string): KernelModule | undefined =>
    depends[name] && { name, path: `${name}.ko`, depends: depends[name] };
  const order = loadOrder(['virtio_blk', 'virtio_net', 'built_in'], load).map(({ name }) => name);
  expect(order.toSorted()).toEqual(Object.keys(depends).toSorted());
  for (const [name, needed] of Object.entries(depends))
    for (const other of needed) expect(order.indexOf(other)).toBeLessThan(order.indexOf(name));
});
