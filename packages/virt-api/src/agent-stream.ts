import { Agent, request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { isObject } from '@godwit/core/json';
import type { ObjectReader } from '@godwit/api-server';
import { agentAddress, tlsOptions, unreachable } from './agent-connection.ts';
import type { AgentCredentials } from './agent-connection.ts';

export interface AgentUpload {
  readonly body: Readable;
  /** Absent: sent in chunks. */
  readonly lengthBytes?: number;
  /** Aborted when whoever sends the body is gone. */
  readonly signal: AbortSignal;
}

export interface AgentAnswer {
  readonly code: number;
  /** Empty when the agent said nothing. */
  readonly message: string;
}

/**
 * Passes a body on to an agent as it comes: no more is held than the two sockets hold. The agent may answer before the end;
 * then no more is sent, and `body` is left as it is. Rejects with a 503 ApiError when the agent cannot be reached, and with
 * the error of `body`.
 */
export async function streamToAgent(
  reader: ObjectReader,
  nodeName: string,
  credentials: AgentCredentials,
  path: string,
  { body, lengthBytes, signal }: AgentUpload,
): Promise<AgentAnswer> {
  const headers = lengthBytes === undefined ? {} : { 'content-length': lengthBytes };
  const options = { ...tlsOptions(agentAddress(reader, nodeName), credentials), method: 'PUT', path, headers };
  // Of its own, but kept alive: a connection that is to close takes an early answer with it.
  const connection = new Agent({ keepAlive: true });
  const request = httpsRequest({ ...options, agent: connection });
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  request.once('response', resolve);
  request.once('error', (error) => reject(unreachable(nodeName, error.message)));
  request.once('timeout', () => request.destroy(new Error('it does not answer')));
  // Once connected, patience has no end: copying a disk takes as long as it takes.
  request.once('socket', (socket) => socket.once('secureConnect', () => request.setTimeout(0)));
  const giveUp = (): void => {
    // What has arrived as a whole is worked on, whether its sender waits or not.
    if (!body.readableEnded) request.destroy(new Error('the sender is gone'));
  };
  const fail = (error: Error): void => {
    reject(error);
    request.destroy();
  };
  signal.addEventListener('abort', giveUp);
  body.on('error', fail);
  if (signal.aborted) giveUp();
  body.pipe(request);
  try {
    const response = await promise;
    body.unpipe(request);
    return { code: response.statusCode ?? 502, message: messageOf(await text(response)) };
  } finally {
    signal.removeEventListener('abort', giveUp);
    body.unpipe(request);
    request.destroy();
    connection.destroy();
  }
}

/** The words of a Kubernetes Status, or the text as it is. */
function messageOf(answer: string): string {
  try {
    const status: unknown = JSON.parse(answer);
    return isObject(status) && typeof status['message'] === 'string' ? status['message'] : answer;
  } catch {
    return answer;
  }
}
