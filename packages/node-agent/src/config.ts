import { isAbsolute } from 'node:path';
import { GodwitError } from '@godwit/core/errors';
import { isObject } from '@godwit/core/json';

/** What one node agent is started with: the contents of its `--config` file. Paths are absolute. */
export interface AgentConfig {
  readonly cluster: string;
  readonly nodeName: string;
  /** Private to this node: `volumes/`, `vms/`, `journal/`, `images/` live below it. */
  readonly directory: string;
  /** Reached by every node of the cluster: the pool of the shared storage classes. */
  readonly sharedDirectory: string;
  /** The local image catalogue (`catalogue.json` and the image files). */
  readonly imagesDirectory: string;
  readonly api: {
    readonly server: string;
    readonly caFile: string;
    /** Client certificate of `system:node:<nodeName>`. */
    readonly certFile: string;
    readonly keyFile: string;
  };
  /** The HTTPS endpoint that the API server reaches for consoles, guest verbs and uploads. */
  readonly endpoint: {
    readonly address: string;
    /** 0: any free port; it is published on the Node. */
    readonly port: number;
    readonly certFile: string;
    readonly keyFile: string;
    /** Clients must present a certificate of this CA. */
    readonly clientCaFile: string;
  };
  /** Address that other nodes and clusters reach this node's migration ports at. */
  readonly migrationAddress: string;
  readonly qemuBinary: string | undefined;
  readonly acceleration: 'auto' | 'kvm' | 'tcg';
  /** Shared by all agents of this user on this host; default: `directory`. */
  readonly cacheDirectory?: string;
  /** Short private directory for unix sockets; default below the system's temporary directory. */
  readonly runDirectory: string | undefined;
  /** Overrides of what the node offers, as Kubernetes quantities. */
  readonly capacity: { readonly cpu?: string; readonly memory?: string; readonly pods?: string };
  /** Connections beside the main one that carry the memory of a guest that leaves; 0 (default): none. */
  readonly multifdChannels: number;
  /** Extra labels of the Node object. */
  readonly labels: Readonly<Record<string, string>>;
}

function invalid(message: string): GodwitError<'AGENT_CONFIG_INVALID'> {
  return new GodwitError('AGENT_CONFIG_INVALID', message);
}

function text(from: Record<string, unknown>, key: string, where: string): string {
  const value = from[key];
  if (typeof value !== 'string' || value === '') throw invalid(`"${where}${key}" must be a non-empty string`);
  return value;
}

function path(from: Record<string, unknown>, key: string, where: string): string {
  const value = text(from, key, where);
  if (!isAbsolute(value)) throw invalid(`"${where}${key}" must be an absolute path, not "${value}"`);
  return value;
}

function section(from: Record<string, unknown>, key: string): Record<string, unknown> {
  const value = from[key];
  if (!isObject(value)) throw invalid(`"${key}" must be an object`);
  return value;
}

function strings(value: unknown, where: string): Record<string, string> {
  if (value === undefined) return {};
  if (!isObject(value)) throw invalid(`"${where}" must be an object of strings`);
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => {
      if (typeof item !== 'string') throw invalid(`"${where}.${key}" must be a string`);
      return [key, item];
    }),
  );
}

/** Checks and completes a parsed config file. Throws `AGENT_CONFIG_INVALID` naming the wrong member. */
export function parseAgentConfig(value: unknown): AgentConfig {
  if (!isObject(value)) throw invalid('The configuration must be a JSON object');
  const api = section(value, 'api');
  const endpoint = section(value, 'endpoint');
  const acceleration = value.acceleration ?? 'auto';
  if (acceleration !== 'auto' && acceleration !== 'kvm' && acceleration !== 'tcg')
    throw invalid('"acceleration" must be auto, kvm or tcg');
  const port = endpoint.port ?? 0;
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 65535)
    throw invalid('"endpoint.port" must be a TCP port');
  const multifdChannels = value.multifdChannels ?? 0;
  if (
    typeof multifdChannels !== 'number' ||
    !Number.isInteger(multifdChannels) ||
    multifdChannels < 0 ||
    multifdChannels > 16
  )
    throw invalid('"multifdChannels" must be an integer from 0 to 16');
  return Object.freeze({
    cluster: text(value, 'cluster', ''),
    nodeName: text(value, 'nodeName', ''),
    directory: path(value, 'directory', ''),
    sharedDirectory: path(value, 'sharedDirectory', ''),
    imagesDirectory: path(value, 'imagesDirectory', ''),
    api: {
      server: text(api, 'server', 'api.'),
      caFile: path(api, 'caFile', 'api.'),
      certFile: path(api, 'certFile', 'api.'),
      keyFile: path(api, 'keyFile', 'api.'),
    },
    endpoint: {
      address: typeof endpoint.address === 'string' ? endpoint.address : '127.0.0.1',
      port,
      certFile: path(endpoint, 'certFile', 'endpoint.'),
      keyFile: path(endpoint, 'keyFile', 'endpoint.'),
      clientCaFile: path(endpoint, 'clientCaFile', 'endpoint.'),
    },
    migrationAddress: typeof value.migrationAddress === 'string' ? value.migrationAddress : '127.0.0.1',
    qemuBinary: typeof value.qemuBinary === 'string' ? value.qemuBinary : undefined,
    acceleration,
    ...(value.cacheDirectory !== undefined && { cacheDirectory: path(value, 'cacheDirectory', '') }),
    runDirectory: value.runDirectory === undefined ? undefined : path(value, 'runDirectory', ''),
    capacity: strings(value.capacity, 'capacity'),
    multifdChannels,
    labels: strings(value.labels, 'labels'),
  });
}
