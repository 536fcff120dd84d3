import type { Clock } from '@godwit/core/clock';
import { describeError } from '@godwit/core/errors';
import type { Logger } from '@godwit/core/logger';
import type { experimental } from '@grpc/grpc-js';
import { issueLeaf } from './certificates.ts';
import type { Leaf } from './certificates.ts';

type Provider = experimental.CertificateProvider;
type CaListener = Parameters<Provider['addCaCertificateListener']>[0];
type IdentityListener = Parameters<Provider['addIdentityCertificateListener']>[0];

/** Keys and trust of the synchronization controller, renewed while it runs. */
export interface Credentials {
  /** For the listener: follows every change without a restart. */
  readonly provider: Provider;
  /** For dialling; `generation` grows whenever a connection made before must not be used again. */
  client(): { readonly leaf: Leaf; readonly trustPem: string; readonly generation: number };
  setTrust(trustPem: string): void;
  stop(): void;
}

/** Leaves are replaced when a fifth of their life is left. */
const RENEW_EARLY = 0.2;

export async function createCredentials(
  ca: { readonly certPem: string; readonly keyPem: string },
  clock: Clock,
  log: Logger,
): Promise<Credentials> {
  const caListeners = new Set<CaListener>();
  const identityListeners = new Set<IdentityListener>();
  let trustPem = ca.certPem;
  let generation = 0;
  let cancel = (): void => undefined;
  let [server, client] = await issueBoth();

  function issueBoth(): Promise<[Leaf, Leaf]> {
    const nowMs = clock.now();
    return Promise.all([issueLeaf(ca, 'server', nowMs), issueLeaf(ca, 'client', nowMs)]);
  }
  const trust = (): { caCertificate: Buffer } => ({ caCertificate: Buffer.from(trustPem) });
  const identity = (): { certificate: Buffer; privateKey: Buffer } => ({
    certificate: Buffer.from(server.certPem),
    privateKey: Buffer.from(server.keyPem),
  });

  async function renew(): Promise<void> {
    try {
      [server, client] = await issueBoth();
      generation += 1;
      for (const listener of identityListeners) listener(identity());
      schedule();
    } catch (error) {
      log.warn({ error: describeError(error) }, 'certificates for other clusters could not be renewed');
      cancel = clock.after(60_000, () => void renew());
    }
  }
  function schedule(): void {
    const left = server.notAfterMs - clock.now();
    cancel = clock.after(Math.max(60_000, left * (1 - RENEW_EARLY)), () => void renew());
  }
  schedule();

  return {
    provider: {
      addCaCertificateListener(listener) {
        caListeners.add(listener);
        queueMicrotask(() => listener(trust()));
      },
      removeCaCertificateListener: (listener) => void caListeners.delete(listener),
      addIdentityCertificateListener(listener) {
        identityListeners.add(listener);
        queueMicrotask(() => listener(identity()));
      },
      removeIdentityCertificateListener: (listener) => void identityListeners.delete(listener),
    },
    client: () => ({ leaf: client, trustPem, generation }),
    setTrust(pem) {
      const wanted = pem.trim() === '' ? ca.certPem : pem;
      if (wanted === trustPem) return;
      trustPem = wanted;
      generation += 1;
      for (const listener of caListeners) listener(trust());
    },
    stop: () => cancel(),
  };
}
