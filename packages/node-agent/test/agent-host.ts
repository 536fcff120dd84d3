import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resources } from '@godwit/api';
import type {
  CertificateSigningRequest,
  KubeObject,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Stored,
  VirtualMachineInstance,
} from '@godwit/api';
import { systemClock } from '@godwit/core/clock';
import { silentLogger } from '@godwit/core/logger';
import { createQemuHypervisor } from '@godwit/hypervisor';
import type { KubeClient } from '@godwit/kube-client';
import { createMemoryKube } from '@godwit/kube-client/testing';
import { signMigrationCertificate } from '@godwit/migration-link';
import type { LinkRole, MigrationIdentity } from '@godwit/migration-link';
import { createNodeAgent, parseAgentConfig } from '../src/index.ts';
import type { NodeAgent } from '../src/index.ts';

const MIB = 2 ** 20;

/** One cluster in memory with real node agents, real QEMU and real files below one temporary directory. */
export interface AgentHost {
  readonly root: string;
  readonly client: KubeClient;
  readonly images: string;
  readonly shared: string;
  nodeDirectory(node: string): string;
  seed(...objects: KubeObject[]): void;
  start(node: string): Promise<NodeAgent>;
  /** Signs migration certificates as the cluster's controllers would, and publishes the CA; until disposed. */
  signMigrations(): Disposable;
  clientTls(commonName: string): { cert: Buffer; key: Buffer; ca: Buffer };
  [Symbol.dispose](): void;
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore' });
}

function issue(directory: string, name: string, subject: string): void {
  const at = (suffix: string): string => join(directory, `${name}${suffix}`);
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', at('.key'), '-out', at('.csr'), '-subj', subject);
  openssl(
    'x509',
    '-req',
    '-in',
    at('.csr'),
    '-CA',
    join(directory, 'ca.crt'),
    '-CAkey',
    join(directory, 'ca.key'),
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    join(directory, 'san'),
    '-out',
    at('.crt'),
  );
}

export function createAgentHost(): AgentHost {
  const root = mkdtempSync(join(tmpdir(), 'gwa-'));
  const pki = join(root, 'pki');
  const images = join(root, 'images');
  const shared = join(root, 'shared');
  for (const directory of [pki, images, shared]) mkdirSync(directory);
  writeFileSync(join(pki, 'san'), 'subjectAltName=IP:127.0.0.1\n');
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=test-ca',
    '-keyout',
    join(pki, 'ca.key'),
    '-out',
    join(pki, 'ca.crt'),
  );
  issue(pki, 'agent', '/O=system:nodes/CN=system:node:n');
  issue(pki, 'api', '/CN=system:kube-apiserver');
  issue(pki, 'nobody', '/CN=nobody');
  const file = (name: string): string => join(pki, name);
  const kube = createMemoryKube();

  return {
    root,
    client: kube.client,
    images,
    shared,
    nodeDirectory: (node) => join(root, node),
    seed: (...objects) => kube.seed(...objects),
    async start(node) {
      const config = parseAgentConfig({
        cluster: 'test',
        nodeName: node,
        directory: join(root, node),
        sharedDirectory: shared,
        imagesDirectory: images,
        api: {
          server: 'https://127.0.0.1',
          caFile: file('ca.crt'),
          certFile: file('agent.crt'),
          keyFile: file('agent.key'),
        },
        endpoint: { certFile: file('agent.crt'), keyFile: file('agent.key'), clientCaFile: file('ca.crt') },
        acceleration: 'tcg',
        runDirectory: join(root, `r-${node}`),
      });
      const agent = await createNodeAgent(config, {
        client: kube.client,
        hypervisor: await createQemuHypervisor({ log: silentLogger, clock: systemClock }),
        log: silentLogger,
        clock: systemClock,
        endpointTls: {
          certPem: readFileSync(file('agent.crt'), 'utf8'),
          keyPem: readFileSync(file('agent.key'), 'utf8'),
          clientCaPem: readFileSync(file('ca.crt'), 'utf8'),
        },
        searchPath: process.env['PATH'] ?? '',
      });
      await agent.start();
      return agent;
    },
    signMigrations() {
      const caCertPem = readFileSync(file('ca.crt'), 'utf8');
      const caKeyPem = readFileSync(file('ca.key'), 'utf8');
      kube.seed({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name: 'kubevirt-ca', namespace: 'kubevirt' },
        data: { 'ca-bundle': caCertPem },
      });
      const stop = new AbortController();
      kube.client.watch<CertificateSigningRequest>(resources.certificateSigningRequests, {
        signal: stop.signal,
        onEvent({ type, object }) {
          if (type === 'ADDED') void sign(object);
        },
      });
      async function sign(request: Stored<CertificateSigningRequest>): Promise<void> {
        const csrPem = Buffer.from(request.spec.request, 'base64').toString('utf8');
        const asked = requestedIdentity(csrPem);
        const certificate = await signMigrationCertificate(csrPem, { caCertPem, caKeyPem, ...asked });
        const patch = { status: { certificate: Buffer.from(certificate).toString('base64') } };
        const { name } = request.metadata;
        await kube.client.patch(resources.certificateSigningRequests, name, '', { type: 'merge', patch }, 'status');
      }
      return { [Symbol.dispose]: () => stop.abort() };
    },
    clientTls: (name) => ({
      cert: readFileSync(file(`${name}.crt`)),
      key: readFileSync(file(`${name}.key`)),
      ca: readFileSync(file('ca.crt')),
    }),
    [Symbol.dispose]() {
      for (const pid of qemusBelow(root)) process.kill(pid, 'SIGKILL');
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** The migration identity a certificate request names: the URI is in the clear in its bytes. */
function requestedIdentity(csrPem: string): { identity: MigrationIdentity; role: LinkRole } {
  const der = Buffer.from(csrPem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64').toString('latin1');
  const match = /godwit:\/\/migration\/([^/]+)\/vmi\/([^/]+)\/([^/]+)\/(source|target)/.exec(der);
  const [, id = '', namespace = '', name = '', role] = match ?? [];
  return { identity: { id, namespace, name }, role: role === 'source' ? 'source' : 'target' };
}

/** QEMU processes whose command line names this directory. */
export function qemusBelow(root: string): number[] {
  const lines = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8', maxBuffer: 16 * MIB }).split('\n');
  return lines
    .filter((line) => line.includes('qemu-system') && line.includes(`${root}/`))
    .map((line) => Number.parseInt(line, 10));
}

export interface VolumeOptions {
  readonly node?: string;
  readonly mode?: 'Filesystem' | 'Block';
  readonly size?: string;
  readonly source?: string;
  readonly endpoint?: string;
  readonly accessModes?: ('ReadWriteOnce' | 'ReadWriteMany')[];
}

/** A claim that a binder has just bound to a volume whose bytes the agent has to make. */
export function boundClaim(
  host: AgentHost,
  name: string,
  options: VolumeOptions = {},
): (PersistentVolume | PersistentVolumeClaim)[] {
  const { node = 'n1', mode = 'Filesystem', size = '64Mi', accessModes = ['ReadWriteOnce'] } = options;
  const isShared = accessModes.includes('ReadWriteMany');
  const path = join(isShared ? host.shared : join(host.nodeDirectory(node), 'volumes'), `pv-${name}`);
  return [
    {
      apiVersion: 'v1',
      kind: 'PersistentVolume',
      metadata: {
        name: `pv-${name}`,
        annotations: {
          'godwit.dev/pool': isShared ? 'shared' : 'node',
          'godwit.dev/provisioned': 'false',
          'godwit.dev/provision-node': node,
        },
        finalizers: ['godwit.dev/volume'],
      },
      spec: {
        capacity: { storage: size },
        accessModes,
        volumeMode: mode,
        persistentVolumeReclaimPolicy: 'Delete',
        local: { path },
        claimRef: { namespace: 'default', name },
      },
      status: { phase: 'Bound' },
    },
    {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: {
        name,
        namespace: 'default',
        ...(options.source !== undefined && {
          annotations: {
            'cdi.kubevirt.io/storage.import.source': options.source,
            'cdi.kubevirt.io/storage.import.endpoint': options.endpoint ?? '',
          },
        }),
      },
      spec: { accessModes, volumeMode: mode, volumeName: `pv-${name}`, resources: { requests: { storage: size } } },
      status: { phase: 'Bound', accessModes, capacity: { storage: size } },
    },
  ];
}

/** A guest with one root disk, as its controller has scheduled it, and its launcher pod, bound to a node. */
export async function scheduleGuest(
  host: AgentHost,
  name: string,
  claimName: string,
  node = 'n1',
  spec: Partial<VirtualMachineInstance['spec']> = {},
): Promise<{ vmiUid: string; podName: string }> {
  const vmi = await host.client.create<VirtualMachineInstance>(resources.virtualMachineInstances, {
    apiVersion: 'kubevirt.io/v1',
    kind: 'VirtualMachineInstance',
    metadata: { name, namespace: 'default' },
    spec: {
      domain: {
        memory: { guest: '32Mi' },
        machine: { type: 'pc' },
        devices: { disks: [{ name: 'rootdisk', disk: { bus: 'virtio' } }] },
      },
      volumes: [{ name: 'rootdisk', persistentVolumeClaim: { claimName } }],
      terminationGracePeriodSeconds: 1,
      ...spec,
    },
    status: { phase: 'Scheduled', nodeName: node },
  });
  const podName = `virt-launcher-${name}`;
  await host.client.create<Pod>(resources.pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: podName,
      namespace: 'default',
      labels: { 'kubevirt.io': 'virt-launcher', 'kubevirt.io/created-by': vmi.metadata.uid },
      annotations: { 'kubevirt.io/domain': name },
    },
    spec: { nodeName: node, terminationGracePeriodSeconds: 5, containers: [{ name: 'compute', image: 'launcher' }] },
  });
  return { vmiUid: vmi.metadata.uid, podName };
}
