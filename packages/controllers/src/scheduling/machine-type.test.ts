import { expect, it } from 'vitest';
import { node, pod } from '../testing/objects.ts';
import { storedVmi } from '../virt/testing/objects.ts';
import { decideScheduling } from './decide.ts';
import { machineTypeLabels } from './machine-type.ts';

const label = (type: string) => ({ [`machine-type.node.kubevirt.io/${type}`]: 'true' });
const silent = node('n1');
const says = (name: string, type: string) => {
  const one = node(name);
  return { ...one, metadata: { ...one.metadata, labels: { ...one.metadata.labels, ...label(type) } } };
};

it.each([
  ['pc-q35-7.2', [says('n1', 'pc-q35-8.2')], label('pc-q35-7.2')],
  ['pc-q35-7.2', [says('n1', 'pc-q35-8.2'), silent], {}],
  ['pc-q35-7.2', [], {}],
  ['q35', [says('n1', 'pc-q35-8.2')], {}],
  [undefined, [says('n1', 'pc-q35-8.2')], {}],
])(
  'a guest with machine type %s goes where QEMU knows it, if all nodes say what theirs knows',
  (type, nodes, wanted) => {
    const vmi = storedVmi();
    if (type !== undefined) vmi.spec.domain.machine = { type };
    expect(machineTypeLabels(vmi, nodes)).toEqual(wanted);
  },
);

it('a pod that no node can run for its machine type says which', () => {
  const nodeSelector = label('pc-q35-99.0');
  const seen = { pod: pod('p', { nodeSelector }), nodes: [says('n1', 'pc-q35-8.2')], placed: [], claims: [] };
  expect(decideScheduling(seen)).toEqual({
    do: 'wait',
    message:
      "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. The QEMU of no node knows machine type pc-q35-99.0.",
  });
});
