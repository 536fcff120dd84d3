import { spawn } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { buildGuestImage, defaultCacheDirectory } from '@godwit/guest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layoutOf } from '../apps/cli/src/local/layout.ts';
import { down } from '../apps/cli/src/local/lifecycle.ts';
import { eventually } from './support/eventually.ts';
import { godwit, run, said } from './support/tools.ts';
import type { Finished } from './support/tools.ts';

type Status = { processes: { name: string; pid: number | null }[] };

const examples = fileURLToPath(new URL('../docs/examples/', import.meta.url));

describe('kubectl on a local cluster', () => {
  let directory: string;
  /** What belongs to the test, not to godwit: `down --purge` leaves files of others alone. */
  let tools: string;
  let environment: NodeJS.ProcessEnv;
  const kubectl = (parameters: string, input?: string): Promise<Finished> =>
    run('kubectl', parameters.split(' '), { cwd: examples, env: environment, ...(input !== undefined && { input }) });
  /** Expects success and gives the output. */
  async function ok(parameters: string, input?: string): Promise<string> {
    const finished = await kubectl(parameters, input);
    expect(finished.status, `kubectl ${parameters}: ${said(finished)}`).toBe(0);
    return finished.stdout;
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'godwit-e2e-'));
    tools = await mkdtemp(join(tmpdir(), 'godwit-e2e-tools-'));
    const started = await godwit(directory, 'up', '--clusters', 'alpha', '--detach');
    expect(started.status, said(started)).toBe(0);
    const kubeconfig = (await godwit(directory, 'kubeconfig')).stdout.trim();
    // A cache of its own: kubectl must learn what this server offers.
    environment = { KUBECONFIG: kubeconfig, KUBECACHEDIR: join(tools, 'kubectl-cache') };
    const image = await buildGuestImage({ cacheDirectory: defaultCacheDirectory(process.env) });
    const added = await godwit(directory, 'image', 'add', `quay.io/kubevirt/cirros-container-disk-demo=${image}`);
    expect(added.status, said(added)).toBe(0);
  });
  afterAll(async () => {
    await down(directory, true);
    await rm(tools, { recursive: true, force: true });
  });

  it('applies the example and waits until the VM is ready, which a watch sees', async () => {
    const watching = spawn('kubectl', ['get', 'vm', '-w'], { env: { ...process.env, ...environment } });
    let seen = '';
    watching.stdout.setEncoding('utf8').on('data', (text: string) => (seen += text));
    try {
      expect(await ok(`apply -f vm.yaml`)).toContain('tour created');
      await ok('wait vm/tour --for=condition=Ready --timeout=120s');
      await eventually('the watch to show the VM running', () => /tour .*Running +True/.test(seen));
      expect(seen).toMatch(/NAME +AGE +STATUS +READY/);
    } finally {
      watching.kill();
    }
    expect(await ok(`apply -f vm.yaml`)).toContain('tour unchanged');
  });

  it('shows tables, details and events', async () => {
    expect(await ok('get nodes')).toMatch(/node1 +Ready/);
    expect(await ok('get vmi')).toMatch(/tour .*Running .*node[12]/);
    expect(await ok('describe vm tour')).toMatch(/Kind: +VirtualMachine\n/);
    const events = await ok('events --for vmi/tour');
    expect(events).toContain('Started');
    expect(await ok('get events')).toContain('virtualmachineinstance/tour');
  });

  it('explains the fields of a VM', async () => {
    const explained = await ok('explain vm.spec');
    expect(explained).toContain('runStrategy');
    expect(explained).toContain('template');
  });

  it('edits a VM', async () => {
    const editor = join(tools, 'editor');
    await writeFile(editor, '#!/bin/sh\nsed -i "s/kubevirt.io\\/vm: tour/&\\n        edited: \\"yes\\"/" "$1"\n');
    await chmod(editor, 0o755);
    const edited = await run('kubectl', ['edit', 'vm', 'tour'], { env: { ...environment, KUBE_EDITOR: editor } });
    expect(edited.status, said(edited)).toBe(0);
    expect(await ok('get vm tour -o jsonpath={.spec.template.metadata.labels.edited}')).toBe('yes');
  });

  it('creates objects that it sends as protobuf', async () => {
    await ok('create configmap note --from-literal=key=value');
    expect(await ok('get configmap note -o jsonpath={.data.key}')).toBe('value');
    await ok('create namespace elsewhere');
    await ok('delete namespace elsewhere --timeout=60s');
  });

  it('deletes a launcher pod by force: the VM starts again only once the old QEMU is gone', async () => {
    const podUid = (): Promise<string> =>
      ok('get pods -l kubevirt.io=virt-launcher -o jsonpath={.items[*].metadata.uid}');
    const before = await podUid();
    const processes = (JSON.parse((await godwit(directory, 'status', '-o', 'json')).stdout) as Status).processes;
    const node = await ok('get vmi tour -o jsonpath={.status.nodeName}');
    const agent = processes.find(({ name }) => name === `alpha/node-${node}`)?.pid ?? -1;
    process.kill(agent, 'SIGSTOP');
    try {
      await ok('delete pod -l kubevirt.io=virt-launcher --force --grace-period=0 --wait=false');
      // Longer than the controllers need to start a VM whose pod is gone.
      await setTimeout(3000);
      expect(await podUid()).toBe(before);
      expect(await ok('get vmi tour -o jsonpath={.status.phase}')).toBe('Running');
    } finally {
      process.kill(agent, 'SIGCONT');
    }
    await eventually('another pod', async () => !['', before].includes(await podUid()));
    await ok('wait vm/tour --for=condition=Ready --timeout=120s');
  });

  it('moves the VM to shared storage', async () => {
    await ok(`apply -f shared-volume.yaml`);
    await ok(`patch vm tour --type merge --patch-file move-to-shared.yaml`);
    // What is told of the volume is where its data is: that changes once everything has been copied.
    await eventually('the volume to change', async () => {
      const volumes = await ok(
        'get vmi tour -o jsonpath={.status.volumeStatus[*].persistentVolumeClaimInfo.claimName}',
      );
      return volumes.includes('tour-root-shared');
    });
    await ok('wait vmi/tour --for=jsonpath={.status.migrationState.completed}=true --timeout=60s');
    await ok('wait vmim --all --for=jsonpath={.status.phase}=Succeeded --timeout=60s');
    await ok('wait vm/tour --for=condition=Ready --timeout=60s');
  });

  it('moves the VM to the other node [SLM 5.3 #29]', async () => {
    const before = await ok('get vmi tour -o jsonpath={.status.nodeName}');
    await ok('wait vmi/tour --for=condition=LiveMigratable --timeout=60s');
    const name = (await ok(`create -f migrate.yaml -o name`)).trim();
    await ok(`wait ${name} --for=jsonpath={.status.phase}=Succeeded --timeout=120s`);
    expect(await ok('get vmi tour -o jsonpath={.status.nodeName}')).not.toBe(before);
  });

  it('survives kill -9 of the supervisor: everything runs on, and `godwit up` takes it over', async () => {
    const status = async (): Promise<Status> =>
      JSON.parse((await godwit(directory, 'status', '-o', 'json')).stdout) as Status;
    const before = await status();
    const supervisor = before.processes.find(({ name }) => name === 'supervisor');
    process.kill(supervisor?.pid ?? Number.NaN, 'SIGKILL');
    expect(await ok('get vmi tour -o jsonpath={.status.phase}')).toBe('Running');
    const again = await godwit(directory, 'up', '--clusters', 'alpha', '--detach');
    expect(again.status, said(again)).toBe(0);
    const after = await status();
    const others = ({ processes }: Status): object[] =>
      processes.filter(({ name }) => name !== 'supervisor').map(({ name, pid }) => ({ name, pid }));
    expect(others(after)).toEqual(others(before));
    expect(after.processes.find(({ name }) => name === 'supervisor')?.pid).not.toBe(supervisor?.pid);
    expect(await ok('get vmi tour -o jsonpath={.status.phase}')).toBe('Running');
  });

  it('shares the machine with clusters of the same name in another directory', async () => {
    const other = await mkdtemp(join(tmpdir(), 'godwit-e2e-'));
    try {
      const started = await godwit(other, 'up', '--clusters', 'alpha', '--nodes', '1', '--detach');
      expect(started.status, said(started)).toBe(0);
      const kubeconfig = (await godwit(other, 'kubeconfig')).stdout.trim();
      const there = await run('kubectl', ['get', 'vm', '-A'], { env: { ...environment, KUBECONFIG: kubeconfig } });
      expect(there.stderr, said(there)).toContain('No resources found');
    } finally {
      await godwit(other, 'down', '--purge');
    }
    expect(await ok('get vmi tour -o jsonpath={.status.phase}')).toBe('Running');
    expect(await traces(other)).toEqual([]);
  });

  it('reports its state and its logs', async () => {
    const status = await godwit(directory, 'status');
    expect(status.status, said(status)).toBe(0);
    expect(status.stdout).toMatch(/alpha +node1,node2 +yes/);
    const metrics = await ofAdministrator(directory, /https:\S+\/metrics/.exec(status.stdout)?.[0] ?? '');
    // The move to shared storage and the one to the other node, made before.
    expect(metrics.match(/^kubevirt_vmi_migration_succeeded\{vmi="tour",.*\} 1$/gm)).toHaveLength(2);
    expect(metrics).toMatch(/^kubevirt_vmi_migration_end_time_seconds\{.*name="tour".*status="succeeded"\} \d+/m);
    const port = await ok('get node node1 -o jsonpath={.status.daemonEndpoints.kubeletEndpoint.Port}');
    expect(await ofAdministrator(directory, `https://127.0.0.1:${port}/metrics`)).toContain('godwit_node_machines{');
    const logs = await godwit(directory, 'logs', 'alpha/controllers');
    expect(logs.stdout).toContain('controllers run');
  });

  it('deletes the VM with everything that belongs to it', async () => {
    await ok('delete vm tour --timeout=90s');
    expect((await kubectl('get vm,vmi,pods')).stderr).toContain('No resources found');
  });

  it('leaves no process, socket or mount behind', async () => {
    await ok(`apply -f vm.yaml`);
    await ok('wait vm/tour --for=condition=Ready --timeout=120s');
    const stopped = await godwit(directory, 'down', '--purge');
    expect(stopped.status, said(stopped)).toBe(0);
    expect(await traces(directory)).toEqual([]);
  });
});

/** What an HTTPS endpoint of cluster alpha answers an administrator. */
async function ofAdministrator(directory: string, url: string): Promise<string> {
  const { pki } = layoutOf(directory).cluster('alpha');
  const pem = (file: string): Promise<string> => readFile(join(pki, file), 'utf8');
  const tls = { cert: await pem('admin.crt'), key: await pem('admin.key'), ca: await pem('ca.crt') };
  const answer = Promise.withResolvers<string>();
  get(url, { ...tls, agent: false }, (response) => answer.resolve(text(response))).on('error', answer.reject);
  return await answer.promise;
}

/** Processes, sockets and mounts that still name a directory, its own private socket directory included. */
async function traces(directory: string): Promise<readonly string[]> {
  const { root, sockets } = layoutOf(directory);
  const about = (text: string): boolean => text.includes(root) || text.includes(sockets);
  const processes = (await run('ps', ['-eo', 'pid=,args='])).stdout.split('\n').filter(about);
  const bound = (await readFile('/proc/net/unix', 'utf8')).split('\n').filter(about);
  const mounts = (await readFile('/proc/mounts', 'utf8')).split('\n').filter(about);
  const files = (await run('ls', ['-d', root, sockets])).stdout.split('\n').filter(about);
  return [...processes, ...bound, ...mounts, ...files];
}
