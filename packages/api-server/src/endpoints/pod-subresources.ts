import { isObject } from '@godwit/core/json';
import { badRequest, conflict } from '../api-error.ts';
import { decodeBody, readBody } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendValue } from '../http/reply.ts';
import { fieldAt, objectAt, textAt } from '../kinds/fields.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import { parseDeleteOptions } from '../objects/delete-options.ts';
import { removeObject } from '../objects/object-removal.ts';
import { parseWriteContext } from './write-options.ts';
import type { WriteParts } from './write.ts';

const SUCCESS = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };

/** `POST pods/<name>/binding`: puts a pod on a node, once. */
export async function bindPod(
  parts: WriteParts,
  exchange: Exchange,
  pods: ServedKind,
  namespace: string,
  name: string,
): Promise<void> {
  const body = await decodeBody(await readBody(exchange.request), true);
  const node = textAt(body, 'target.name');
  if (node === '') throw badRequest('target.name: the name of a node is needed');
  const context = parseWriteContext(exchange, 'CreateOptions');
  await parts.service.update(
    pods,
    { namespace, name, subresource: 'binding' },
    (old) => {
      const bound = textAt(old, 'spec.nodeName');
      if (bound !== '') throw conflict(pods, name, `pod ${name} is already assigned to node "${bound}"`);
      const pod = structuredClone(old);
      objectAt(pod, 'spec')['nodeName'] = node;
      const annotations = fieldAt(body, 'metadata.annotations');
      if (isObject(annotations)) Object.assign(objectAt(pod, 'metadata.annotations'), annotations);
      return pod;
    },
    context,
  );
  await sendValue(exchange, 201, { ...SUCCESS, code: 201 });
}

/** `POST pods/<name>/eviction`: a delete that admission may refuse; disruption budgets are not evaluated. */
export async function evictPod(
  parts: WriteParts,
  exchange: Exchange,
  pods: ServedKind,
  namespace: string,
  name: string,
): Promise<void> {
  const body = await decodeBody(await readBody(exchange.request), true);
  if (isObject(body) && body['kind'] !== undefined && body['kind'] !== 'Eviction' && body['kind'] !== '') {
    throw badRequest(`Eviction is needed, not ${JSON.stringify(body['kind'])}`);
  }
  const options = parseDeleteOptions(fieldAt(body, 'deleteOptions'), exchange.query);
  const context = { ...parseWriteContext(exchange, 'CreateOptions'), dryRun: options.dryRun };
  await removeObject(parts, pods, namespace, name, options, context);
  await sendValue(exchange, 201, { ...SUCCESS, code: 201 });
}
