import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { UserInfo } from '../plugins.ts';
import type { Sink } from './sink.ts';

export type AnyRequest = IncomingMessage | Http2ServerRequest;
export type AnyResponse = ServerResponse | Http2ServerResponse;

/** One request on its way through the server. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly request: AnyRequest;
  readonly sink: Sink;
  readonly user: UserInfo;
  /** Reaches the client as `Warning` headers. */
  readonly warnings: string[];
  /** Aborted when the client goes away or the server stops. */
  readonly signal: AbortSignal;
  header(name: string): string | undefined;
}
