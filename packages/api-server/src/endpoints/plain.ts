import type { AnyRequest, Exchange } from '../http/exchange.ts';
import type { Sink } from '../http/sink.ts';
import type { ObjectReader, PlainEndpoint, PlainReply } from '../plugins.ts';

/** How long a client may go on sending what nobody wants: long enough to notice the answer. */
const LINGER_MS = 2000;

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
    await send(sink, request, method === 'HEAD' ? { ...reply, text: '' } : reply);
  };
}

async function send(sink: Sink, request: AnyRequest, { code, headers = {}, text = '' }: PlainReply): Promise<void> {
  const bytes = Buffer.from(text === '' ? '' : `${text}\n`);
  const unread = !request.readableEnded && !request.destroyed;
  for (const [name, value] of Object.entries(headers)) sink.setHeader(name, value);
  sink.setHeader('X-Content-Type-Options', 'nosniff');
  sink.setHeader('Content-Length', String(bytes.length));
  // HTTP/2 has no such header, nor any need: a stream ends alone.
  if (unread && request.httpVersionMajor === 1) sink.setHeader('Connection', 'close');
  sink.begin(code, bytes.length === 0 ? '' : 'text/plain; charset=utf-8');
  if (bytes.length > 0) sink.write(bytes);
  // A connection that is closed under a client in the middle of its image is reset, the answer with it.
  if (unread) await dropRest(request);
  sink.end();
}

/** Reads on into nothing, for a while. */
async function dropRest(request: AnyRequest): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, LINGER_MS);
    for (const event of ['end', 'close'] as const)
      request.once(event, () => {
        clearTimeout(timer);
        resolve();
      });
    request.resume();
  });
}
