import { names } from '@godwit/api';
import type { KubeObject } from '@godwit/api';
import { expect, it } from 'vitest';
import { builtInKinds } from '../kinds/builtin-kinds.ts';
import { refuseLog } from './pod-subresources.ts';

const pods = builtInKinds.find(({ plural }) => plural === 'pods');

/** The answer to a request for the log of a pod with these annotations; without any there is no such pod. */
function ask(annotations?: Record<string, string>): () => never {
  const pod: KubeObject = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', ...(annotations && { annotations }) },
  };
  const reader = { get: () => (annotations ? pod : undefined), list: () => [] };
  return () => {
    if (!pods) throw new Error('pods are not served');
    return refuseLog(reader, pods, 't', 'p');
  };
}

it('says where the words of a guest are instead of serving logs of pods', () => {
  const launcher = { [names.domainAnnotation]: 'tour' };
  expect(ask(launcher)).toThrow(/"godwit console tour -n t".*"godwit logs"/);
  expect(ask(launcher)).toThrow(expect.objectContaining({ httpCode: 400 }));
  expect(ask({})).toThrow('nothing but virtual machines runs here');
  expect(ask()).toThrow(expect.objectContaining({ httpCode: 404 }));
});
