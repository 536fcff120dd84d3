import { randomUUID } from 'node:crypto';
import { methodNotAllowed } from '@godwit/api-server';
import type { SubresourceGroup, SubresourceRequest } from '@godwit/api-server';
import { resources } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import { badRequest, invalid, notFound } from '../refuse.ts';
import type { UploadTokens } from './token.ts';

const GROUP = 'upload.cdi.kubevirt.io';
const VERSION = 'v1beta1';
const KIND = 'UploadTokenRequest';
const PLURAL = 'uploadtokenrequests';

/** `upload.cdi.kubevirt.io`: who may create an UploadTokenRequest in a namespace gets a token for one claim there. */
export function uploadTokenRequests(tokens: UploadTokens): SubresourceGroup {
  return {
    group: GROUP,
    versions: [VERSION],
    resources: [
      {
        name: PLURAL,
        namespaced: true,
        creates: { kind: KIND, singular: 'uploadtokenrequest', shortNames: ['utr', 'utrs'] },
      },
    ],
    async handle(request, reader) {
      if (request.plural !== PLURAL || request.namespace === '') throw notFound(request.plural, request.name);
      if (request.method !== 'POST' || request.name !== '') throw methodNotAllowed(request.method);
      const { metadata, pvcName } = parse(request);
      const uid = reader.get(resources.persistentVolumeClaims, pvcName, request.namespace)?.metadata.uid;
      if (uid === undefined) throw notFound('persistentvolumeclaims', pvcName);
      const token = tokens.issue({ namespace: request.namespace, name: pvcName, uid });
      const body = { apiVersion: `${GROUP}/${VERSION}`, kind: KIND, metadata, spec: { pvcName }, status: { token } };
      return { code: 201, body };
    },
  };
}

function parse({ body, namespace }: SubresourceRequest): { metadata: object; pvcName: string } {
  if (!isObject(body)) throw badRequest(`the body must be an ${KIND}`);
  if ((body['kind'] ?? KIND) !== KIND) throw badRequest(`the body is a ${String(body['kind'])}, not an ${KIND}`);
  const metadata = isObject(body['metadata']) ? body['metadata'] : {};
  const text = (key: string): string => (typeof metadata[key] === 'string' ? metadata[key] : '');
  if ((text('namespace') || namespace) !== namespace)
    throw badRequest('the namespace of the object does not match the namespace of the request');
  const generated = text('generateName') === '' ? '' : `${text('generateName')}${randomUUID().slice(0, 5)}`;
  const name = text('name') || generated;
  const pvcName = isObject(body['spec']) ? body['spec']['pvcName'] : undefined;
  if (typeof pvcName !== 'string' || pvcName === '')
    throw invalid({ kind: KIND, name }, [
      { field: 'spec.pvcName', message: 'name the claim that is to be filled', reason: 'FieldValueRequired' },
    ]);
  return { metadata: { ...(name === '' ? {} : { name }), namespace }, pvcName };
}
