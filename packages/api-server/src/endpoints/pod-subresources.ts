import type { KubeObject } from '@godwit/api';
import { names, resources } from '@godwit/api';
import { isObject } from '@godwit/core/json';
import { badRequest, conflict, notFound } from '../api-error.ts';
import { decodeBody, readBody } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendValue } from '../http/reply.ts';
import { fieldAt, objectAt, textAt } from '../kinds/fields.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import { admissionRequest } from '../objects/admission.ts';
import { parseDeleteOptions } from '../objects/delete-options.ts';
import { removeObject } from '../objects/object-removal.ts';
import type { AdmissionRequest, ObjectReader, ObjectWriter } from '../plugins.ts';
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

/**
 * `POST pods/<name>/eviction`: a delete that plug-ins may put off, once it is known that the user may delete the pod at
 * all. Disruption budgets are not evaluated.
 */
export async function evictPod(
  parts: WriteParts,
  exchange: Exchange,
  pods: ServedKind,
  namespace: string,
  name: string,
  writer: ObjectWriter,
): Promise<void> {
  const body = await decodeBody(await readBody(exchange.request), true);
  if (isObject(body) && body['kind'] !== undefined && body['kind'] !== 'Eviction' && body['kind'] !== '') {
    throw badRequest(`Eviction is needed, not ${JSON.stringify(body['kind'])}`);
  }
  const context = parseWriteContext(exchange, 'CreateOptions');
  const options = parseDeleteOptions(fieldAt(body, 'deleteOptions'), exchange.query);
  const dryRun = options.dryRun || context.dryRun;
  const rehearsal = { ...context, dryRun: true, warnings: [] };
  const pod = writer.get(resources.pods, name, namespace);
  await removeObject(parts, pods, namespace, name, options, rehearsal);
  const request: AdmissionRequest = {
    ...admissionRequest('CREATE', pods, 'eviction', evictionOf(body, namespace, name), pod, { ...context, dryRun }),
    namespace,
    name,
  };
  await parts.admission.evicting(request, context.warnings, writer);
  await removeObject(parts, pods, namespace, name, options, { ...context, dryRun });
  await sendValue(exchange, 201, { ...SUCCESS, code: 201 });
}

/** The Eviction as plug-ins see it: what the client sent, under the pod's name. */
function evictionOf(body: unknown, namespace: string, name: string): KubeObject {
  const sent = isObject(body) ? body : {};
  const metadata = isObject(sent['metadata']) ? sent['metadata'] : {};
  return { ...sent, apiVersion: 'policy/v1', kind: 'Eviction', metadata: { ...metadata, namespace, name } };
}

/** `GET pods/<name>/log`: pods have no containers here that could log. Says where the words of a guest are found. */
export function refuseLog(reader: ObjectReader, pods: ServedKind, namespace: string, name: string): never {
  const pod = reader.get(resources.pods, name, namespace);
  if (!pod) throw notFound(pods, name);
  const guest = pod.metadata.annotations?.[names.domainAnnotation];
  throw badRequest(
    guest === undefined
      ? `pod "${name}" has no log: nothing but virtual machines runs here`
      : `pod "${name}" has no log of its own: "godwit console ${guest} -n ${namespace}" opens the serial console of its guest, "godwit logs" prints what the node agents and controllers say`,
  );
}
