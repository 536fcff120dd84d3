import type { Secret, Stored, VirtualMachineInstance } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { seedOf } from './cloud-init.ts';

const vmi: Stored<VirtualMachineInstance> = {
  apiVersion: 'kubevirt.io/v1',
  kind: 'VirtualMachineInstance',
  metadata: { name: 'a', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { domain: { devices: {} } },
};
const secret = (data: Record<string, string>): Secret => ({ apiVersion: 'v1', kind: 'Secret', metadata: {}, data });
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('the cloud-init seed', () => {
  it('takes plain, base64 and Secret data, in this order', () => {
    expect(seedOf(vmi, { userData: 'plain', userDataBase64: base64('b') }, {}).userData.toString()).toBe('plain');
    expect(seedOf(vmi, { userDataBase64: base64('b') }, {}).userData.toString()).toBe('b');
    const source = { secretRef: { name: 's' }, networkDataSecretRef: { name: 'n' } };
    const seed = seedOf(vmi, source, {
      user: secret({ userdata: base64('from secret') }),
      network: secret({ networkData: base64('net') }),
    });
    expect(seed.userData.toString()).toBe('from secret');
    expect(seed.networkData?.toString()).toBe('net');
  });

  it('identifies the instance', () => {
    expect(JSON.parse(seedOf(vmi, {}, {}).metaData)).toEqual({ 'instance-id': 'a.ns', 'local-hostname': 'a' });
  });

  it('waits for a Secret that is not there', () => {
    expect(() => seedOf(vmi, { secretRef: { name: 's' } }, {})).toThrow(
      expect.objectContaining({ code: 'CLOUD_INIT_INVALID', retry: 'backoff' }),
    );
  });
});
