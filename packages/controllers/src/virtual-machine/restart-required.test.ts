import type { Volume } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { storedVm, storedVmi } from '../virt/testing/objects.ts';
import { startedFromAnnotation, templateChange } from './restart-required.ts';

function changeOf(before: Volume, after: Volume, liveClaims: boolean, memory?: string): string | undefined {
  const started = storedVm().spec.template.spec;
  started.volumes = [before];
  const vm = storedVm({ updateVolumesStrategy: 'Migration' });
  vm.spec.template.spec = structuredClone({ ...started, volumes: [after] });
  if (memory !== undefined) vm.spec.template.spec.domain.memory = { guest: memory };
  const vmi = storedVmi({}, { annotations: { [startedFromAnnotation]: JSON.stringify(started) } });
  return templateChange(vm, vmi, { liveClaims });
}

const pvc = (claimName: string, more: object = {}): Volume => ({
  name: 'root',
  persistentVolumeClaim: { claimName, ...more },
});

describe('what a running guest needs a restart for [SLM 5.2 #24]', () => {
  it.each<[string, Volume, Volume, boolean, string | undefined]>([
    ['nothing changed', pvc('a'), pvc('a'), true, undefined],
    ['another claim, with strategy Migration', pvc('a'), pvc('b'), true, undefined],
    ['a DataVolume for a claim', pvc('a'), { name: 'root', dataVolume: { name: 'b' } }, true, undefined],
    ['another claim, with another strategy', pvc('a'), pvc('b'), false, 'volumes'],
    [
      'a claim for a container disk [SLM H15]',
      { name: 'root', containerDisk: { image: 'x' } },
      pvc('b'),
      true,
      'volumes',
    ],
    ['a claim that is read-only from now on', pvc('a'), pvc('a', { readOnly: true }), true, 'volumes'],
    ['another claim, read-only with it [SLM H3]', pvc('a'), pvc('b', { readOnly: true }), true, 'volumes'],
  ])('%s', (_, before, after, live, wanted) => {
    const message = changeOf(before, after, live);
    if (wanted === undefined) expect(message).toBeUndefined();
    else expect(message).toContain(wanted);
  });

  it('another claim together with a field that cannot change', () =>
    expect(changeOf(pvc('a'), pvc('b'), true, '256Mi')).toContain('domain.memory'));
});
