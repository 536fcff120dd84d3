import { describe, expect, it } from 'vitest';
import { claim, node, storageClass, volume } from '../../testing/objects.ts';
import { decideClaim } from './decide.ts';
import type { ClaimSeen } from './decide.ts';

const NOW = Date.parse('2026-01-02T00:00:00Z');
const mine = { namespace: 'default', name: 'c', uid: 'uid-c' };
const base: ClaimSeen = {
  claim: claim('c', { storageClassName: 'shared' }),
  volume: undefined,
  reserved: [],
  available: [],
  storageClass: storageClass('shared'),
  defaultClassName: 'local',
  nodes: [node('n2'), node('n1')],
};
const wffc = { storageClass: storageClass('local') };
const onLocal = (annotations: Record<string, string> = {}) =>
  claim('c', { storageClassName: 'local' }, { annotations });
const chosen = (name: string) => onLocal({ 'volume.kubernetes.io/selected-node': name });
const made = (state: string, more: Record<string, string> = {}, spec = {}) =>
  volume(
    'pvc-uid-c',
    { claimRef: mine, storageClassName: 'shared', ...spec },
    {
      'godwit.dev/provisioned': state,
      'godwit.dev/provision-node': 'n1',
      'godwit.dev/pool': 'shared',
      ...more,
    },
  );
const bound = (spec = {}, more = {}) =>
  claim(
    'c',
    { storageClassName: 'shared', volumeName: 'pvc-uid-c', ...spec },
    { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' }, status: { phase: 'Bound' }, ...more },
  );

describe('a claim without a volume', () => {
  const cases: [string, Partial<ClaimSeen>, string | undefined, string | undefined][] = [
    [
      'takes the default class when it names none',
      { claim: claim('c'), storageClass: undefined },
      'assign-class',
      undefined,
    ],
    ['is provisioned at once by an immediate class', {}, 'provision', 'Provisioning'],
    ['waits for its first consumer', { claim: onLocal(), ...wffc }, undefined, 'WaitForFirstConsumer'],
    [
      'that is to be filled at once gets a node',
      {
        claim: onLocal({
          'cdi.kubevirt.io/storage.upload.target': '',
          'cdi.kubevirt.io/storage.bind.immediate.requested': '',
        }),
        ...wffc,
      },
      'select-node',
      undefined,
    ],
    [
      'that nobody fills waits, whatever it asks for',
      { claim: onLocal({ 'cdi.kubevirt.io/storage.bind.immediate.requested': '' }), ...wffc },
      undefined,
      'WaitForFirstConsumer',
    ],
    ['is provisioned where its consumer goes', { claim: chosen('n2'), ...wffc }, 'provision', 'Provisioning'],
    ['waits when the chosen node does not exist', { claim: chosen('gone'), ...wffc }, undefined, 'ProvisioningFailed'],
    ['waits when no node is ready', { nodes: [node('n1', { ready: false })] }, undefined, 'ProvisioningFailed'],
    ['waits for an unknown class', { storageClass: undefined }, undefined, 'ProvisioningFailed'],
    [
      'leaves other provisioners their work',
      { storageClass: { ...storageClass('shared'), provisioner: 'x' } },
      undefined,
      'ExternalProvisioning',
    ],
    [
      'is refused what the pool cannot do',
      {
        claim: claim(
          'c',
          { storageClassName: 'local', accessModes: ['ReadWriteMany'] },
          { annotations: { 'volume.kubernetes.io/selected-node': 'n1' } },
        ),
        ...wffc,
      },
      undefined,
      'ProvisioningFailed',
    ],
    [
      'without any class waits for a volume',
      { claim: claim('c', { storageClassName: '' }), storageClass: undefined },
      undefined,
      'FailedBinding',
    ],
    [
      'prefers a free volume to a new one',
      { available: [volume('free', { storageClassName: 'shared' })] },
      'take',
      undefined,
    ],
    [
      'does not take a volume that is too small',
      { available: [volume('s', { storageClassName: 'shared', capacity: { storage: '1Mi' } })] },
      'provision',
      'Provisioning',
    ],
    [
      'does not take a volume of which nobody can read how big it is',
      { available: [volume('s', { storageClassName: 'shared', capacity: { storage: '10GB' } })] },
      'provision',
      'Provisioning',
    ],
    [
      'does not take one of another mode',
      { available: [volume('s', { storageClassName: 'shared', volumeMode: 'Block' })] },
      'provision',
      'Provisioning',
    ],
    ['waits while the agent creates its volume', { reserved: [made('false')] }, undefined, undefined],
    [
      'says why the agent could not',
      { reserved: [made('false', { 'godwit.dev/provision-error': 'full' })] },
      undefined,
      'ProvisioningFailed',
    ],
    [
      'lets another node create a shared volume',
      { reserved: [made('false', { 'godwit.dev/provision-node': 'gone' })] },
      'move-provisioning',
      undefined,
    ],
    [
      'does not move a node volume',
      { reserved: [made('false', { 'godwit.dev/provision-node': 'gone', 'godwit.dev/pool': 'node' })] },
      undefined,
      'ProvisioningFailed',
    ],
    ['is bound once its volume exists', { reserved: [made('true')] }, 'bind', 'ProvisioningSucceeded'],
    [
      'takes a volume that was kept for it by hand',
      { reserved: [volume('kept', { storageClassName: 'shared', claimRef: { namespace: 'default', name: 'c' } })] },
      'take',
      undefined,
    ],
  ];
  it.each(cases)('%s', (_, changes, step, event) => {
    const plan = decideClaim({ ...base, ...changes }, NOW);
    expect([plan.status.phase, plan.step?.do, plan.event?.reason]).toEqual(['Pending', step, event]);
  });

  it('chooses the smallest free volume that fits', () => {
    const available = [
      volume('big', { storageClassName: 'shared', capacity: { storage: '9Gi' } }),
      volume('fits', { storageClassName: 'shared', capacity: { storage: '2Gi' } }),
    ];
    expect(decideClaim({ ...base, available }, NOW).step).toMatchObject({
      do: 'take',
      volume: { metadata: { name: 'fits' } },
    });
  });

  it('asks for a volume of its node, held until the agent has let go of the bytes', () => {
    const plan = decideClaim({ ...base, claim: chosen('n2'), ...wffc }, NOW);
    expect(plan.step).toMatchObject({
      do: 'provision',
      volume: {
        metadata: {
          name: 'pvc-uid-c',
          annotations: {
            'godwit.dev/provisioned': 'false',
            'godwit.dev/provision-node': 'n2',
            'godwit.dev/pool': 'node',
          },
          finalizers: ['kubernetes.io/pv-protection', 'godwit.dev/volume'],
        },
        spec: {
          capacity: { storage: '1Gi' },
          claimRef: { uid: 'uid-c' },
          local: { path: 'pvc-uid-c' },
          nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions: [{ values: ['n2'] }] }] } },
        },
      },
    });
  });

  it('gives a shared volume no affinity and the first ready node as its maker', () => {
    const { step } = decideClaim({ ...base, nodes: [node('n1', { ready: false }), node('n2')] }, NOW);
    expect(step).toMatchObject({ volume: { metadata: { annotations: { 'godwit.dev/provision-node': 'n2' } } } });
    expect(step?.do === 'provision' && step.volume.spec.nodeAffinity).toBe(undefined);
  });
});

describe('a claim with a volume', () => {
  const cases: [string, Partial<ClaimSeen>, string, string | undefined, string | undefined][] = [
    ['is bound with the size of its volume', { claim: bound(), volume: made('true') }, 'Bound', undefined, undefined],
    ['is lost with its volume', { claim: bound() }, 'Lost', undefined, 'ClaimLost'],
    [
      'is lost when the volume belongs to another',
      { claim: bound(), volume: made('true', {}, { claimRef: { ...mine, uid: 'other' } }) },
      'Lost',
      undefined,
      'ClaimMisbound',
    ],
    [
      'named by hand waits for that volume',
      { claim: claim('c', { volumeName: 'v' }) },
      'Pending',
      undefined,
      'FailedBinding',
    ],
    [
      'named by hand takes that volume',
      { claim: claim('c', { volumeName: 'v' }), volume: volume('v') },
      'Pending',
      'take',
      undefined,
    ],
    [
      'named by hand is refused a volume that does not fit',
      { claim: claim('c', { volumeName: 'v', volumeMode: 'Block' }), volume: volume('v') },
      'Pending',
      undefined,
      'VolumeMismatch',
    ],
    [
      'asks to grow',
      { claim: bound({ resources: { requests: { storage: '2Gi' } } }), volume: made('true') },
      'Bound',
      'ask-expansion',
      undefined,
    ],
    [
      'asks only once',
      {
        claim: bound({ resources: { requests: { storage: '2Gi' } } }),
        volume: made('true', { 'godwit.dev/expand-to': '2Gi' }),
      },
      'Bound',
      undefined,
      undefined,
    ],
    [
      'takes over what the agent has grown',
      {
        claim: bound({ resources: { requests: { storage: '2Gi' } } }),
        volume: made('true', { 'godwit.dev/expand-to': '2Gi', 'godwit.dev/expanded-to': '2Gi' }),
      },
      'Bound',
      'finish-expansion',
      undefined,
    ],
  ];
  it.each(cases)('%s', (_, changes, phase, step, event) => {
    const plan = decideClaim({ ...base, ...changes }, NOW);
    expect([plan.status.phase, plan.step?.do, plan.event?.reason]).toEqual([phase, step, event]);
  });

  it('shows that it is being resized, and no longer when it is done', () => {
    const wanted = bound({ resources: { requests: { storage: '2Gi' } } });
    const growing = decideClaim({ ...base, claim: wanted, volume: made('true') }, NOW).status;
    expect(growing).toMatchObject({ capacity: { storage: '1Gi' }, conditions: [{ type: 'Resizing', status: 'True' }] });
    const grown = made('true', {}, { capacity: { storage: '2Gi' } });
    const done = decideClaim({ ...base, claim: { ...wanted, status: growing }, volume: grown }, NOW);
    expect(done.status).toMatchObject({ capacity: { storage: '2Gi' }, conditions: [] });
    expect(done.event?.reason).toBe('VolumeResizeSuccessful');
  });
});
