import { describe, expect, it } from 'vitest';
import { storedVmi } from '../virt/testing/objects.ts';
import { compatibleNodeLabels, compatibleWithPeer, labelsForPeer } from './cpu.ts';
import type { Instance } from './seen.ts';

const q35 = 'machine-type.node.kubevirt.io/pc-q35-7.2';
const tcg = {
  'godwit.dev/acceleration': 'tcg',
  'godwit.dev/qemu-version': '7.2',
  'cpu-model.node.kubevirt.io/Nehalem': 'true',
  'cpu-vendor.node.kubevirt.io/GenuineIntel': 'true',
  'host-model-cpu.node.kubevirt.io/max': 'true',
  [q35]: 'true',
  'machine-type.node.kubevirt.io/pc-q35-6.0': 'true',
  'kubernetes.io/hostname': 'n1',
};
const { 'host-model-cpu.node.kubevirt.io/max': _max, ...bare } = tcg;
const kvm = {
  ...bare,
  'godwit.dev/acceleration': 'kvm',
  'host-model-cpu.node.kubevirt.io/Skylake-Server': 'true',
};

function guest(model?: string): Instance {
  const vmi = storedVmi({ phase: 'Running', machine: { type: 'pc-q35-7.2' } });
  if (model !== undefined) vmi.spec.domain.cpu = { model };
  return vmi;
}

describe('a node that takes a guest in needs [SLM 56 and 61]', () => {
  const host = {
    'godwit.dev/acceleration': 'kvm',
    [q35]: 'true',
    'cpu-model-migration.node.kubevirt.io/Skylake-Server': 'true',
    'cpu-vendor.node.kubevirt.io/GenuineIntel': 'true',
  };
  it.each<[string, Instance, Record<string, string>, Record<string, string>]>([
    [
      'under emulation the same QEMU, whose most capable CPU the guest has',
      guest(),
      tcg,
      { 'godwit.dev/acceleration': 'tcg', 'godwit.dev/qemu-version': '7.2', [q35]: 'true' },
    ],
    ['under KVM the host model and vendor', guest('host-model'), kvm, host],
    ['the same for passthrough', guest('host-passthrough'), kvm, host],
    [
      'a named model, wherever it can be run',
      guest('Nehalem'),
      kvm,
      { 'godwit.dev/acceleration': 'kvm', [q35]: 'true', 'cpu-model.node.kubevirt.io/Nehalem': 'true' },
    ],
    ['nothing that the source does not say about itself', guest('Nehalem'), {}, {}],
  ])('%s', (_, vmi, source, wanted) => expect(compatibleNodeLabels(vmi, source)).toEqual(wanted));

  it('the same across clusters, from what the source has sent', () => {
    const sent = labelsForPeer(guest('host-model'), kvm);
    expect(sent).toMatchObject({ 'host-model-cpu.node.kubevirt.io/Skylake-Server': 'true', [q35]: 'true' });
    expect(sent).not.toHaveProperty(['machine-type.node.kubevirt.io/pc-q35-6.0']);
    // The receiver has no machine yet: what it will be is the source's to say.
    const receiver = storedVmi({ phase: 'WaitingForSync' });
    expect(compatibleWithPeer(receiver, sent)).toEqual(host);
  });

  it('a source without labels sends something all the same: an upstream peer waits for it', () => {
    expect(labelsForPeer(guest(), {})).not.toEqual({});
  });
});
