import type { Exchange } from '../http/exchange.ts';
import type { ObjectReader, PlainEndpoint } from '../plugins.ts';

/** Who answers a path outside the Kubernetes API; undefined when nobody does. */
export function plainEndpoint(
  endpoints: readonly PlainEndpoint[],
  reader: ObjectReader,
  path: string,
): ((exchange: Exchange) => Promise<void>) | undefined {
  const endpoint = endpoints.find((one) => one.paths.includes(path));
  if (!endpoint) return undefined;
  return async ({ method, request, sink, signal }) => {
    // A client that goes away is told apart by the signal.
    request.on('error', () => undefined);
    const reply = await endpoint.handle({ method, path, headers: request.headers, body: request, signal }, reader);
    for (const [name, value] of Object.entries(reply.headers ?? {})) sink.setHeader(name, value);
    sink.setHeader('X-Content-Type-Options', 'nosniff');
    const text = reply.text === undefined ? '' : `${reply.text}\n`;
    await sink.send(reply.code, text === '' ? '' : 'text/plain; charset=utf-8', method === 'HEAD' ? '' : text);
  };
}
