import { expect, it } from 'vitest';
import { node, pod } from '../testing/objects.ts';
import { storedVmi } from '../virt/testing/objects.ts';
import { cpuModelLabels } from './cpu-model.ts';
import { decideScheduling } from './decide.ts';

const label = (model: string) => ({ [`cpu-model.node.kubevirt.io/${model}`]: 'true' });
const silent = node('n1');
const says = (name: string, model: string) => {
  const one = node(name);
  return { ...one, metadata: { ...one.metadata, labels: { ...one.metadata.labels, ...label(model) } } };
};

it.each([
  ['Nehalem', [says('n1', 'max')], label('Nehalem')],
  ['Nehalem', [says('n1', 'max'), silent], {}],
  ['Nehalem', [], {}],
  ['host-model', [says('n1', 'max')], {}],
  ['host-passthrough', [says('n1', 'max')], {}],
  [undefined, [says('n1', 'max')], {}],
])(
  'a guest with CPU model %s goes where all of it can be had, if all nodes say what theirs can [SLM 56]',
  (model, nodes, wanted) => {
    const vmi = storedVmi();
    if (model !== undefined) vmi.spec.domain.cpu = { model };
    expect(cpuModelLabels(vmi, nodes)).toEqual(wanted);
  },
);

it('a pod that no node can run for its CPU model says which', () => {
  const seen = (model: string) => ({
    pod: pod('p', { nodeSelector: label(model) }),
    nodes: [says('n1', 'Nehalem')],
    placed: [],
    claims: [],
  });
  expect(decideScheduling(seen('EPYC'))).toEqual({
    do: 'wait',
    message:
      "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. No node can run CPU model EPYC with all of its features.",
  });
  expect(decideScheduling(seen('Nehalem'))).toMatchObject({ do: 'bind', node: 'n1' });
});
