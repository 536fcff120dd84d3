import type { AdmissionRequest, ObjectReader, UserInfo } from '@godwit/api-server';
import type { KubeObject } from '@godwit/api';
import { names, resources } from '@godwit/api';
import { describe, expect, it } from 'vitest';
import { controllersUser } from '../users.ts';
import { launcherPodAdmission } from './launcher-pod.ts';

const editor: UserInfo = { username: 'eve', groups: ['system:authenticated'] };
const controllers: UserInfo = { username: controllersUser, groups: ['system:masters'] };
const administrator: UserInfo = { username: 'kubernetes-admin', groups: ['system:masters'] };
const agent: UserInfo = { username: 'system:node:node1', groups: ['system:nodes'] };
const LAUNCHER = { [names.appLabel]: 'virt-launcher', [names.createdByLabel]: 'uid' };

function pod(labels: Record<string, string>, annotations: Record<string, string> = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', namespace: 'ns', labels, annotations } };
}

function admit(user: UserInfo, object: KubeObject | undefined, oldObject?: KubeObject, subresource = ''): () => void {
  const operation = object === undefined ? 'DELETE' : oldObject === undefined ? 'CREATE' : 'UPDATE';
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
    const bound = { ...pod(LAUNCHER), spec: { nodeName: 'node1' } };
    expect(admit(agent, bound, bound, 'status')).not.toThrow();
    expect(admit(agent, pod(LAUNCHER))).toThrow(/launcher/);
  });

  it('keep the finalizer of a living QEMU until the agent of their node, or an administrator, removes it', () => {
    const bound = { ...pod(LAUNCHER), spec: { nodeName: 'node1' } };
    const guarded = { ...bound, metadata: { ...bound.metadata, finalizers: ['x.io/f', names.qemuFinalizer] } };
    const others = { ...bound, metadata: { ...bound.metadata, finalizers: ['x.io/f'] } };
    expect(admit(editor, others, guarded)).toThrow(/finalizer/);
    expect(admit(editor, guarded, guarded)).not.toThrow();
    expect(admit(editor, bound, others)).not.toThrow();
    expect(admit(agent, others, guarded)).not.toThrow();
    expect(admit(administrator, others, guarded)).not.toThrow();
  });
});

describe('node agents', () => {
  const on = (nodeName: string | undefined): KubeObject => ({ ...pod(LAUNCHER), spec: { nodeName } });
  it.each([
    ['their own node', 'node1', true],
    ['another node', 'node2', false],
    ['no node yet', undefined, false],
  ])('change and delete pods of %s: %s', (_, node, allowed) => {
    for (const attempt of [
      admit(agent, on(node), on(node)),
      admit(agent, on(node), on(node), 'status'),
      admit(agent, undefined, on(node)),
    ])
      if (allowed) expect(attempt).not.toThrow();
      else expect(attempt).toThrow(/node/);
  });

  it('cannot take a pod by binding it', () => {
    expect(admit(agent, on('node1'), on(undefined))).toThrow(/node/);
  });
});
