import { expect, it } from 'vitest';
import { desiredLabels, staleLabels } from './desired-node.ts';
import type { NodeFacts } from './desired-node.ts';

const facts: NodeFacts = {
  nodeName: 'n1',
  address: '192.0.2.1',
  endpointPort: 10250,
  qemuVersion: '7.2.22',
  acceleration: 'tcg',
  accelerationReason: '',
  host: {
    cpus: 2,
    memoryBytes: 2 ** 30,
    diskBytes: 2 ** 30,
    architecture: 'amd64',
    kernel: '6.1',
    osImage: 'Linux',
    machineId: 'm',
    bootId: 'b',
    cpuVendor: 'GenuineIntel',
    cpuModel: 'Intel(R) Xeon(R) @ 2.80GHz',
  },
  capacity: {},
  labels: { zone: 'a' },
  processor: { cpuModels: ['max', 'Nehalem'], machineTypes: ['pc-q35-7.2'] },
  agentVersion: 'v1',
};

it('a node says what its guests can be given, in labels that Kubernetes accepts', () => {
  expect(desiredLabels(facts)).toMatchObject({
    zone: 'a',
    'godwit.dev/acceleration': 'tcg',
    'godwit.dev/qemu-version': '7.2',
    'cpu-model.node.kubevirt.io/Nehalem': 'true',
    'machine-type.node.kubevirt.io/pc-q35-7.2': 'true',
    'host-model-cpu.node.kubevirt.io/max': 'true',
  });
  const kvm = desiredLabels({ ...facts, acceleration: 'kvm' });
  expect(kvm).toHaveProperty(['host-model-cpu.node.kubevirt.io/Intel-R-Xeon-R-2.80GHz'], 'true');
  for (const key of Object.keys(kvm)) expect(key.split('/').at(-1)).toMatch(/^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/);
});

it('takes back what it cannot do any more, and nothing that is not its own', () => {
  const wanted = desiredLabels(facts);
  const old = { ...wanted, 'machine-type.node.kubevirt.io/pc-q35-2.4': 'true', 'somebody.example/rack': '7' };
  expect(staleLabels(old, wanted)).toEqual({ 'machine-type.node.kubevirt.io/pc-q35-2.4': null });
});
