import type { RequestOptions } from 'node:https';
import { GodwitError } from '@godwit/core/errors';
import { createClientOver } from './client.ts';
import type { KubeClientOptions } from './client.ts';
import { createDialer, createTransportOver } from './transport.ts';
import type { Dialer } from './transport.ts';
import type { KubeClient } from './types.ts';

const TLS_FIELDS = ['ca', 'cert', 'key', 'pfx', 'passphrase', 'rejectUnauthorized', 'servername'] as const;

/**
 * Client for a kubeconfig context, with every way of logging in that `@kubernetes/client-node` knows (exec plug-ins,
 * OIDC, proxies). That library is loaded here, on first use, and nowhere else: daemons must not carry it.
 * `path` defaults to what kubectl reads (`KUBECONFIG`, `~/.kube/config`, else the pod's service account), `context` to
 * the file's current one. Rejects with `KUBECONFIG_INVALID`.
 */
export async function fromKubeconfig(
  path?: string,
  context?: string,
  options: KubeClientOptions = {},
): Promise<KubeClient> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  try {
    if (path === undefined) config.loadFromDefault();
    else config.loadFromFile(path);
  } catch (error) {
    throw new GodwitError('KUBECONFIG_INVALID', `The kubeconfig ${path ?? ''} cannot be read`, {
      cause: error,
    });
  }
  if (context !== undefined) config.setCurrentContext(context);
  const cluster = config.getCurrentCluster();
  if (!cluster) {
    const wanted = context ?? config.getCurrentContext();
    throw new GodwitError('KUBECONFIG_INVALID', `The kubeconfig has no usable context "${wanted}"`);
  }

  let current: { fingerprint: string; dialer: Dialer } | undefined;
  const dialer: Dialer = {
    async dial(stream) {
      const applied: RequestOptions = {};
      await config.applyToHTTPSOptions(applied);
      const headers = headersOf(applied.headers);
      const auth = typeof applied.auth === 'string' ? { auth: applied.auth } : {};
      if (cluster.proxyUrl !== undefined && typeof applied.agent === 'object')
        return { agent: applied.agent, headers, ...auth };
      const fingerprint = JSON.stringify(TLS_FIELDS.map((field) => applied[field] ?? null));
      if (current?.fingerprint !== fingerprint) {
        // Credentials were renewed: running exchanges end on the old connections, new ones start on new ones.
        const tls = Object.fromEntries(
          TLS_FIELDS.flatMap((field) => (applied[field] === undefined ? [] : [[field, applied[field]]])),
        );
        current = { fingerprint, dialer: createDialer(cluster.server, tls, {}) };
      }
      const inner = await current.dialer.dial(stream);
      return { agent: inner.agent, headers, ...auth };
    },
    close: () => current?.dialer.close(),
  };
  return createClientOver(createTransportOver(cluster.server, dialer), options);
}

function headersOf(headers: RequestOptions['headers']): Record<string, string> {
  const result: Record<string, string> = {};
  if (headers === undefined || Array.isArray(headers)) return result;
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) result[name] = String(value);
  return result;
}
