import type { Duplex } from 'node:stream';
import type { KubeObject } from '@godwit/api';
import { systemClock } from '@godwit/core/clock';
import type { Clock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import type { Logger } from '@godwit/core/logger';
import type { ObjectStore } from '@godwit/store';
import { resourceNotFound } from './api-error.ts';
import { Authenticator } from './auth/authentication.ts';
import { Authorizer } from './auth/authorization.ts';
import { impersonate } from './auth/impersonation.ts';
import { ServiceAccountTokens } from './auth/service-account-tokens.ts';
import { startCrdController } from './background/crds.ts';
import { startEventExpiry } from './background/events.ts';
import { startGarbageCollector } from './background/garbage-collector.ts';
import { startNamespaceController } from './background/namespaces.ts';
import type { BackgroundLoop } from './background/parts.ts';
import { startStorageProtection } from './background/protection.ts';
import { applyBootstrap } from './bootstrap/apply-bootstrap.ts';
import { Discovery } from './endpoints/discovery.ts';
import { attributesOf, dispatch } from './endpoints/dispatch.ts';
import type { DispatchParts } from './endpoints/dispatch.ts';
import { OpenApi } from './endpoints/openapi.ts';
import { plainEndpoint } from './endpoints/plain.ts';
import { findGroup, upgradeGroup } from './endpoints/subresource-groups.ts';
import { SharedJson } from './endpoints/watch-stream.ts';
import { serve } from './http/serve.ts';
import type { Listening, TlsOptions, Upgrade } from './http/serve.ts';
import { KindRegistry } from './kinds/kind-registry.ts';
import { createAdmission } from './objects/admission.ts';
import { createObjectReader } from './objects/object-reader.ts';
import { ObjectService } from './objects/object-service.ts';
import { createObjectWriter } from './objects/object-writer.ts';
import type { AdmissionPlugin, ObjectReader, ObjectWriter, PlainEndpoint, SubresourceGroup } from './plugins.ts';

export interface ApiServerOptions {
  /** Stays the caller's: close it after the server. */
  readonly store: ObjectStore;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly tls: TlsOptions;
  /** Private key, RSA or P-256, that signs ServiceAccount tokens. */
  readonly serviceAccountKeyPem: string;
  /** Published in every namespace as `kube-root-ca.crt`. */
  readonly clusterCaPem: string;
  /** Semantic version without the `v`; clients read the Kubernetes minor version from it. */
  readonly version?: string;
  readonly plugins?: readonly AdmissionPlugin[];
  readonly subresourceGroups?: readonly SubresourceGroup[];
  readonly plainEndpoints?: readonly PlainEndpoint[];
  /** Created at start if missing; CRDs get the spec given here. Written in this order, CRDs before all. */
  readonly bootstrap?: readonly KubeObject[];
  /** Whether requests without credentials are let in as `system:anonymous` (health and version only). Default true. */
  readonly anonymous?: boolean;
  readonly clock?: Clock;
  readonly log?: Logger;
}

export interface ApiServer {
  readonly port: number;
  readonly url: string;
  /** Frozen objects straight from the store. */
  readonly reader: ObjectReader;
  /** The whole pipeline, admission included, without HTTP and without authorization. */
  readonly writer: ObjectWriter;
  /** Ends watches, connections and background loops, and waits for what is running. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const DEFAULT_VERSION = '1.32.0+godwit';

/**
 * Starts an API server. Resolves when it listens, the bootstrap objects exist and their CRDs are established; until
 * then `/readyz` fails, and other requests are served.
 */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { store } = options;
  const clock = options.clock ?? systemClock;
  const log = options.log ?? silentLogger;
  const groups = options.subresourceGroups ?? [];
  const registry = new KindRegistry();
  const reader = createObjectReader(store, registry);
  const admission = createAdmission(options.plugins ?? [], reader);
  const service = new ObjectService({ store, reader, admission, clock });
  const writer = createObjectWriter(registry, reader, service);
  const background = { store, reader, admission, clock, service, registry, log };
  const tokens = new ServiceAccountTokens(options.serviceAccountKeyPem, 'https://kubernetes.default.svc', clock);
  const authenticator = new Authenticator(tokens, reader, options.anonymous ?? true);
  const authorizer = new Authorizer(store);
  let ready = false;
  let listening: Listening | undefined;
  const parts: DispatchParts = {
    ...background,
    writer,
    tokens,
    authenticator,
    authorizer,
    discovery: new Discovery(registry, groups, () => `${options.host}:${listening?.port ?? options.port}`),
    openApi: new OpenApi(registry),
    groups,
    json: new SharedJson(),
    version: options.version ?? DEFAULT_VERSION,
    isReady: () => ready,
  };

  async function upgrade({ info, query, user, request, socket, head }: Upgrade): Promise<void> {
    authorizer.require(user, attributesOf(info, query));
    const group = info.type === 'resource' ? findGroup(groups, info) : undefined;
    if (info.type !== 'resource' || !group) throw resourceNotFound();
    upgraded.add(socket);
    socket.once('close', () => upgraded.delete(socket));
    if (!(await upgradeGroup(group, info, query, user, request, socket, head, writer))) throw resourceNotFound();
  }
  const upgraded = new Set<Duplex>();

  // The first loop of all: the others, and reading custom objects, need to know the kinds.
  const loops: BackgroundLoop[] = [startCrdController(background)];
  async function close(): Promise<void> {
    for (const socket of upgraded) socket.destroy();
    await listening?.close();
    await Promise.all(loops.map((loop) => loop.stop()));
  }
  let closed: Promise<void> | undefined;
  const closeOnce = (): Promise<void> => (closed ??= close());

  try {
    loops.push(startNamespaceController(background, options.clusterCaPem));
    listening = await serve({
      host: options.host,
      port: options.port,
      tls: options.tls,
      log,
      authenticate: (credentials, connection, headers) =>
        impersonate(authorizer, authenticator.authenticate(credentials, connection), headers),
      handle: (exchange, info) => dispatch(parts, exchange, info),
      plain: (path) => plainEndpoint(options.plainEndpoints ?? [], reader, path),
      upgrade,
    });
    await applyBootstrap(background, options.bootstrap ?? []);
    loops.push(startGarbageCollector(background), startStorageProtection(background), startEventExpiry(background));
  } catch (error) {
    await closeOnce();
    throw error;
  }
  ready = true;
  const { port } = listening;
  const url = `https://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`;
  log.info({ url }, 'API server is ready');
  return { port, url, reader, writer, close: closeOnce, [Symbol.asyncDispose]: closeOnce };
}
