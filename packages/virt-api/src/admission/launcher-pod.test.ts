import type { AdmissionRequest, ObjectReader, UserInfo } from '@godwit/api-server';
import type { KubeObject } from '@godwit/api';
import { names, resources } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { controllersUser } from '../users.ts';
import { launcherPodAdmission } from './launcher-pod.ts';

const editor: UserInfo = { username: 'eve', groups: ['system:authenticated'] };
const controllers: UserInfo = { username: controllersUser, groups: ['system:masters'] };
const agent: UserInfo = { username: 'system:node:node1', groups: ['system:nodes'] };
const LAUNCHER = { [names.appLabel]: 'virt-launcher', [names.createdByLabel]: 'uid' };

function pod(labels: Record<string, string>, annotations: Record<string, string> = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'ns', labels, annotations } };
}

function admit(user: UserInfo, object: KubeObject, oldObject?: KubeObject, subresource = ''): () => void {
  const operation = oldObject === undefined ? 'CREATE' : 'UPDATE';
  // The cast is safe: the plug-in reads these members only.
  const request = { operation, resource: resources.pods, subresource, name: 'p', user, object, oldObject };
  return () => void launcherPodAdmission.validate?.(request as unknown as AdmissionRequest, {} as ObjectReader);
}

describe('launcher pods', () => {
  it('are made by the controllers: an agent starts a guest for each', () => {
    expect(admit(editor, pod(LAUNCHER))).toThrow(/launcher/);
    expect(admit(controllers, pod(LAUNCHER))).not.toThrow();
    expect(admit(editor, pod({ app: 'web' }))).not.toThrow();
  });

  it('are not made of other pods, nor given to other guests, afterwards', () => {
    expect(admit(editor, pod(LAUNCHER), pod({}))).toThrow(/launcher/);
    expect(admit(editor, pod(LAUNCHER, { [names.domainAnnotation]: 'b' }), pod(LAUNCHER))).toThrow(/launcher/);
    expect(admit(editor, pod({}), pod(LAUNCHER))).toThrow(/launcher/);
    expect(admit(editor, pod({ ...LAUNCHER, note: 'x' }), pod(LAUNCHER))).not.toThrow();
  });

  it('get their status from agents', () => {
    expect(admit(agent, pod(LAUNCHER), pod(LAUNCHER), 'status')).not.toThrow();
    expect(admit(agent, pod(LAUNCHER))).toThrow(/launcher/);
  });
});
