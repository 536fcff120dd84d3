import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ResourceRequestInfo } from '../http/request-info.ts';
import { parseJson, readBody } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendValue } from '../http/reply.ts';
import type { ObjectWriter, SubresourceGroup, SubresourceRequest, UserInfo } from '../plugins.ts';

export function findGroup(
  groups: readonly SubresourceGroup[],
  info: ResourceRequestInfo,
): SubresourceGroup | undefined {
  return groups.find((one) => one.group === info.group && one.versions.includes(info.version));
}

export function subresourceRequest(
  info: ResourceRequestInfo,
  method: string,
  query: URLSearchParams,
  user: UserInfo,
  body: unknown,
): SubresourceRequest {
  const { group, version, namespace, plural, name, segments } = info;
  return { method, group, version, namespace, plural, name, subresource: segments, query, user, body };
}

/** Hands a request to a group that has no stored objects, and sends its reply. */
export async function serveGroup(
  group: SubresourceGroup,
  info: ResourceRequestInfo,
  exchange: Exchange,
  writer: ObjectWriter,
): Promise<void> {
  const raw = exchange.method === 'GET' ? undefined : await readBody(exchange.request);
  // virtctl sends JSON without saying so.
  const body = raw === undefined || raw.bytes.length === 0 ? undefined : parseJson(raw.bytes.toString());
  const request = subresourceRequest(info, exchange.method, exchange.query, exchange.user, body);
  const reply = await group.handle(request, writer);
  if (reply.body instanceof Uint8Array) {
    await exchange.sink.send(reply.code, reply.contentType ?? 'application/octet-stream', reply.body);
  } else if (reply.body === undefined) {
    await exchange.sink.send(reply.code, reply.contentType ?? '', '');
  } else {
    await sendValue(exchange, reply.code, reply.body);
  }
}

/** Passes a WebSocket upgrade on; the group answers or takes over the socket. */
export async function upgradeGroup(
  group: SubresourceGroup,
  info: ResourceRequestInfo,
  query: URLSearchParams,
  user: UserInfo,
  raw: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  writer: ObjectWriter,
): Promise<boolean> {
  if (!group.upgrade) return false;
  await group.upgrade(subresourceRequest(info, raw.method ?? 'GET', query, user, undefined), raw, socket, head, writer);
  return true;
}
