import type { IncomingHttpHeaders } from 'node:http';
import { ApiError } from '@godwit/api-server';
import type { ObjectReader, PlainEndpoint, PlainReply, PlainRequest } from '@godwit/api-server';
import { resources } from '@godwit/api';
import type { PersistentVolume, PersistentVolumeClaim } from '@godwit/api';
import { isGodwitError } from '@godwit/core/errors';
import { waitFor } from '@godwit/core/wait';
import { streamToAgent } from '../agent-stream.ts';
import type { AgentCredentials } from '../agent-connection.ts';
import { boundaryOf, filePart } from './multipart.ts';
import { archivesRefused, readinessOf } from './readiness.ts';
import type { Readiness } from './readiness.ts';
import type { UploadGrant, UploadTokens } from './token.ts';

interface Door {
  /** Whether the answer comes as soon as the image has arrived; otherwise once the claim is filled. */
  readonly background: boolean;
  /** Whether the image is the part `file` of a form. */
  readonly form: boolean;
}

/** CDI's paths (kubevirt/containerized-data-importer:pkg/common/common.go), each also as `v1alpha1`. */
const DOORS: Readonly<Record<string, Door | 'archive'>> = Object.fromEntries(
  ['v1beta1', 'v1alpha1'].flatMap((version) => [
    [`/${version}/upload`, { background: false, form: false }],
    [`/${version}/upload-async`, { background: true, form: false }],
    [`/${version}/upload-form`, { background: false, form: true }],
    [`/${version}/upload-form-async`, { background: true, form: true }],
    [`/${version}/upload-archive`, 'archive'],
  ]),
);

/** Uploads are sent from web pages too, as CDI allows: the token is all that counts, there are no cookies. */
const CORS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'POST, PUT, HEAD',
  'Access-Control-Allow-Headers': 'authorization, content-type, x-cdi-content-type',
} as const;

/** As long as CDI's proxy waits: whoever asks comes at once after the claim was made, and does not come again for long. */
const PATIENCE_MS = 10_000;

export interface UploadProxyOptions {
  readonly tokens: UploadTokens;
  readonly credentials: AgentCredentials;
  readonly patienceMs?: number;
}

/** CDI's upload proxy: passes a disk image on to the agent of the node that fills the claim, as it comes. */
export function uploadProxy(options: UploadProxyOptions): PlainEndpoint {
  return {
    paths: Object.keys(DOORS),
    async handle(request, reader) {
      const reply = await answer(options, request, reader).catch((error: unknown) => {
        if (error instanceof ApiError) return refuse(error.httpCode, error.message);
        throw error;
      });
      return { ...reply, headers: { ...CORS, ...reply.headers } };
    },
  };
}

function refuse(code: number, text: string, headers: Record<string, string> = {}): PlainReply {
  return { code, text, headers };
}

async function answer(options: UploadProxyOptions, request: PlainRequest, reader: ObjectReader): Promise<PlainReply> {
  const { method, path, headers } = request;
  const door = DOORS[path];
  if (method === 'OPTIONS') return { code: 204 };
  if (door === undefined || door === 'archive') return refuse(415, archivesRefused);
  const probe = method === 'HEAD' && door.background;
  if (!probe && method !== 'POST' && method !== 'PUT')
    return refuse(405, `${method} does nothing here; POST the image`, { Allow: 'POST, PUT, OPTIONS' });
  const grant = grantOf(options.tokens, headers.authorization);
  if (!grant)
    return refuse(
      401,
      'the upload token is missing, not valid or older than five minutes; create an UploadTokenRequest for another one',
      { 'WWW-Authenticate': 'Bearer' },
    );
  const problem = probe ? undefined : bodyProblem(door, headers);
  if (problem !== undefined) return refuse(415, problem);
  const found = await settled(options, grant, reader, request.signal);
  if (found.is === 'refused') return refuse(found.code, found.because);
  if (found.is === 'awaited') {
    const text = `claim ${grant.namespace}/${grant.name} is not ready for upload: ${found.because}`;
    return refuse(503, text, { 'Retry-After': '2' });
  }
  return probe ? { code: 200 } : await send(options, request, door, grant, reader, found.node);
}

function grantOf(tokens: UploadTokens, authorization: string | undefined): UploadGrant | undefined {
  const token = /^Bearer\s+(\S+)\s*$/i.exec(authorization ?? '')?.[1];
  return token === undefined ? undefined : tokens.verify(token);
}

function bodyProblem({ form }: Door, headers: IncomingHttpHeaders): string | undefined {
  const content = headers['x-cdi-content-type'];
  if (content !== undefined && content !== '' && content !== 'kubevirt')
    return `content of type ${String(content)} is not taken here; upload a disk image`;
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') return `the encoding ${encoding} is not taken; send the image as it is, gzip included`;
  const boundary = boundaryOf(headers['content-type']);
  if (form && boundary === undefined) return 'the body must be multipart/form-data with the image as its part "file"';
  if (!form && boundary !== undefined) return 'the body must be the image itself; forms go to /v1beta1/upload-form';
  return undefined;
}

/** The claim's readiness, once it is no longer to be waited for, or after all patience. */
async function settled(
  { patienceMs = PATIENCE_MS }: UploadProxyOptions,
  grant: UploadGrant,
  reader: ObjectReader,
  signal: AbortSignal,
): Promise<Readiness> {
  const look = (): Readiness => {
    // The casts are safe: the reader returns objects of the kind it was asked for.
    const claim = reader.get(resources.persistentVolumeClaims, grant.name, grant.namespace) as
      | PersistentVolumeClaim
      | undefined;
    const volume = reader.get(resources.persistentVolumes, claim?.spec.volumeName ?? '') as
      | PersistentVolume
      | undefined;
    return readinessOf(grant, claim, volume);
  };
  const what = `claim ${grant.namespace}/${grant.name}`;
  const decided = (): Readiness | undefined => {
    const readiness = look();
    return readiness.is === 'awaited' ? undefined : readiness;
  };
  return await waitFor(decided, { timeoutMs: patienceMs, intervalMs: 200, what, signal }).catch((error: unknown) => {
    if (isGodwitError(error, 'WAIT_TIMEOUT')) return look();
    throw error;
  });
}

async function send(
  { credentials }: UploadProxyOptions,
  { headers, body, signal }: PlainRequest,
  door: Door,
  { namespace, name }: UploadGrant,
  reader: ObjectReader,
  node: string,
): Promise<PlainReply> {
  const claim = `/v1/upload/namespaces/${encodeURIComponent(namespace)}/persistentvolumeclaims/${encodeURIComponent(name)}`;
  const length = headers['content-length'];
  const reply = await streamToAgent(reader, node, credentials, `${claim}${door.background ? '/background' : ''}`, {
    body: door.form ? filePart(body, boundaryOf(headers['content-type']) ?? '') : body,
    // The length of a form is not that of the image in it.
    ...(length !== undefined && !door.form && { lengthBytes: Number(length) }),
    signal,
  });
  if (reply.code < 300) return { code: 200 };
  const retry: Record<string, string> = reply.code === 503 ? { 'Retry-After': '2' } : {};
  return refuse(reply.code, reply.message, retry);
}
