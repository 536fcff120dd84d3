import type { KubeClient } from '@godwit/kube-client';
import type { Clock } from '@godwit/core/clock';
import type { Logger } from '@godwit/core/logger';
import type { EventRecorder, LeaderElection, Manager } from '@godwit/reconcile';
import type { MetricsListen } from './metrics/server.ts';

export interface ControllersOptions {
  readonly client: KubeClient;
  readonly clusterName: string;
  /** The cluster's KubeVirt CA as PEM texts: signs migration certificates, heads the published bundle. */
  readonly kubevirtCa: { readonly certPem: string; readonly keyPem: string };
  /** Where the synchronization controller listens; port 0 picks a free one. Absent: no cross-cluster moves. */
  readonly syncListen?: { readonly host: string; readonly port: number };
  /** Absent: no metrics. */
  readonly metricsListen?: MetricsListen;
  readonly log: Logger;
  /** Default: the system's clock. */
  readonly clock?: Clock;
  /** Absent: this process is the only one and starts at once. */
  readonly leaderElection?: LeaderElection;
  /** Aborting it ends a start that still waits for the API server. */
  readonly signal?: AbortSignal;
}

/** What every controller is given. `client` writes through to the manager's caches, so a controller reads its own writes. */
export interface ControllerContext {
  readonly options: ControllersOptions;
  readonly client: KubeClient;
  readonly manager: Manager;
  readonly events: EventRecorder;
  readonly log: Logger;
  readonly clock: Clock;
}

/** Something that runs beside the reconcilers: a server, a timer. Started after the caches are in sync. */
export interface ControllerService {
  start?(): Promise<void>;
  stop(): Promise<void>;
}

/** Declares caches and reconcilers on `context.manager`; called once, before anything runs. */
export interface Controller {
  readonly name: string;
  setUp(context: ControllerContext): ControllerService | void | Promise<ControllerService | void>;
}
