import { describe, expect, it } from 'vitest';
import { storedMigration, storedVmi } from '../virt/testing/objects.ts';
import { launcherPodName, renderLauncherPod } from './render-launcher-pod.ts';

describe('launcher pod', () => {
  it('names the guest, its owner, its claims and what it needs', () => {
    const pod = renderLauncherPod(storedVmi());
    expect(pod.metadata).toMatchObject({
      labels: { 'kubevirt.io': 'virt-launcher', 'kubevirt.io/created-by': 'vmi-uid' },
      annotations: { 'kubevirt.io/domain': 'vm1' },
      ownerReferences: [{ kind: 'VirtualMachineInstance', uid: 'vmi-uid', controller: true }],
    });
    expect(pod.spec.volumes).toEqual([{ name: 'root', persistentVolumeClaim: { claimName: 'root-old' } }]);
    expect(pod.spec.containers[0]?.resources?.requests).toEqual({ cpu: '100m', memory: '201Mi' });
    expect(pod.spec.affinity).toBeUndefined();
    expect(pod.spec.terminationGracePeriodSeconds).toBe(45);
  });

  it("of a migration keeps off the VMI's own hosts and may only narrow the choice of nodes", () => {
    const vmi = storedVmi();
    vmi.spec.nodeSelector = { zone: 'a' };
    vmi.spec.affinity = {
      podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'rack' }] },
    };
    const migration = storedMigration('m1', { spec: { addedNodeSelector: { zone: 'b', disk: 'ssd' } } });
    const pod = renderLauncherPod(vmi, { migration, apartFromOwnPods: true, requiredNodeLabels: { accel: 'tcg' } });
    expect(pod.spec.nodeSelector).toEqual({ zone: 'a', disk: 'ssd', accel: 'tcg' });
    expect(pod.metadata.labels?.['kubevirt.io/migrationJobUID']).toBe('uid-m1');
    expect(pod.metadata.annotations?.['kubevirt.io/migrationJobName']).toBe('m1');
    expect(pod.spec.affinity).toMatchObject({
      podAntiAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: [
          { topologyKey: 'rack' },
          {
            topologyKey: 'kubernetes.io/hostname',
            labelSelector: { matchLabels: { 'kubevirt.io/created-by': 'vmi-uid' } },
          },
        ],
      },
    });
    expect(vmi.spec.affinity).toEqual({
      podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'rack' }] },
    });
  });

  it('has a name that follows from its purpose and fits into a label', () => {
    const long = 'x'.repeat(80);
    expect(launcherPodName('vm1', 'a')).toBe(launcherPodName('vm1', 'a'));
    expect(launcherPodName('vm1', 'a')).not.toBe(launcherPodName('vm1', 'b'));
    expect(launcherPodName(long, 'a').length).toBe(63);
  });
});
