import { expect, it } from 'vitest';
import { node, pod } from '../testing/objects.ts';
import { storedVmi } from '../virt/testing/objects.ts';
import { cpuModelLabels } from './cpu-model.ts';
import { decideScheduling } from './decide.ts';

const label = (model: string) => ({ [`cpu-model.node.kubevirt.io/${model}`]: 'true' });
/** Every node has a host model, also one that could not ask its QEMU for more. */
const hostModel = { 'host-model-cpu.node.kubevirt.io/max': 'true', ...label('max') };
const silent = node('n1', { labels: hostModel });
const says = (name: string, model: string) => node(name, { labels: { ...hostModel, ...label(model) } });

it.each([
  ['Nehalem', [says('n1', 'EPYC')], label('Nehalem')],
  ['Nehalem', [says('n1', 'Nehalem'), silent], {}],
  ['Nehalem', [says('n1', 'Nehalem'), node('n2')], {}],
  ['Nehalem', [], {}],
  ['host-model', [says('n1', 'EPYC')], {}],
  ['host-passthrough', [says('n1', 'EPYC')], {}],
  [undefined, [says('n1', 'EPYC')], {}],
])(
  'a guest with CPU model %s goes where all of it can be had, if all nodes say what theirs can [SLM 56]',
  (model, nodes, wanted) => {
    const vmi = storedVmi();
    if (model !== undefined) vmi.spec.domain.cpu = { model };
    expect(cpuModelLabels(vmi, nodes)).toEqual(wanted);
  },
);

it('a pod that no node can run for its CPU model says which', () => {
  const seen = (model: string, nodes = [says('n1', 'Nehalem')]) => ({
    pod: pod('p', { nodeSelector: label(model) }),
    nodes,
    placed: [],
    claims: [],
  });
  expect(decideScheduling(seen('EPYC'))).toEqual({
    do: 'wait',
    message:
      "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. No node can run CPU model EPYC with all of its features.",
  });
  expect(decideScheduling(seen('EPYC', [silent]))).toEqual({
    do: 'wait',
    message: "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
  });
  expect(decideScheduling(seen('Nehalem'))).toMatchObject({ do: 'bind', node: 'n1' });
});
