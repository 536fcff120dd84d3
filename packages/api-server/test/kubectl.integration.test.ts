import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { customResourceDefinitions } from '@godwit/api';
import { TestCluster } from './support/cluster.ts';
import { fixtures, widget } from './support/widgets.ts';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ bootstrap: [...customResourceDefinitions(), ...fixtures] });
});
afterAll(() => cluster.stop());

async function run(text: string, input?: string): Promise<string> {
  const { code, out, err } = await cluster.kubectl(text.split(' '), input);
  expect(code, `kubectl ${text}: ${out}${err}`).toBe(0);
  return out;
}

it('finds its way by discovery', async () => {
  expect(await run('version')).toContain('Server Version: v1.32');
  expect(await run('api-resources -o name')).toContain('virtualmachines.kubevirt.io');
  expect(await run('get vm,vmi,vmim -A')).toBe('');
  expect(await run('get all -n t')).toBe('');
});

it('creates built-ins with protobuf bodies', async () => {
  expect(await run('create configmap -n t one --from-literal=a=1')).toContain('configmap/one created');
  expect(await run('create secret generic -n t two --from-literal=a=1')).toContain('secret/two created');
  expect(await run('create namespace three')).toContain('namespace/three created');
  expect(await run('create role -n t four --verb=get --resource=pods')).toContain('created');
  expect(await run('create rolebinding -n t five --role=four --user=alice')).toContain('created');
  expect(await run('create serviceaccount -n t six')).toContain('created');
  expect((await run('create token -n t six')).split('.')).toHaveLength(3);
  expect((await cluster.kubectl(['auth', 'can-i', 'list', 'pods', '-n', 't', '--as=nobody'])).out).toBe('no\n');
  expect(await run('auth can-i create pods')).toBe('yes\n');
  expect(await run('auth whoami')).toContain('kubernetes-admin');
  expect(await run('get configmap -n t one -o jsonpath={.data.a}')).toBe('1');
});

it('applies, edits and explains', async () => {
  const manifest = JSON.stringify(widget('w', { color: 'red', note: 'x' }, { namespace: 't' }));
  expect(await run('apply -f -', manifest)).toContain('widget.ex.io/w created');
  expect(await run('apply -f -', manifest)).toContain('widget.ex.io/w unchanged');
  expect(await run('apply -f -', manifest.replace('"red"', '"blue"'))).toContain('configured');
  expect(await run('get wd -n t w -o jsonpath={.spec.color}')).toBe('blue');
  expect(await run('explain wd.spec.color')).toContain('What it looks like.');
  expect(await run('explain vm.spec')).toContain('runStrategy');
  const explained = await run('explain vmi.status.migrationState');
  expect(explained).toMatch(/failureReason\s+<string>\n\s+Why it failed/);
  expect(await run('explain vmim.status.progress.memory.throttlePercent')).toContain('processors');
  expect(await run('label wd -n t w a=b')).toContain('labeled');
  expect(await run('annotate cm -n t one a=b')).toContain('annotated');
  expect(await run('scale wd -n t w --replicas=3')).toContain('scaled');
  expect(await run('patch wd -n t w --type=merge -p {"spec":{"note":"y"}}')).toContain('patched');
  expect(await run('get wd -n t')).toMatch(/^NAME\s+COLOR\s+NOTE\nw\s+blue\s+y/);
  expect((await cluster.kubectl(['apply', '-f', '-'], manifest.replace('"red"', '"green"'))).code).not.toBe(0);
  expect((await cluster.kubectl(['apply', '-f', '-'], manifest.replace('"note"', '"nute"'))).err).toContain(
    'unknown field',
  );
});

it('describes and replaces', async () => {
  expect(await run('describe wd -n t w')).toContain('Kind:         Widget');
  expect(await run('describe cm -n t one')).toContain('Annotations:  a: b');
  const current = await run('get cm -n t one -o json');
  expect(await run('replace -f -', current.replace('"a": "1"', '"a": "2"'))).toContain('replaced');
});

it('waits and watches', async () => {
  const watcher = cluster.spawnKubectl(['get', 'wd', '-n', 't', '-w', '--no-headers']);
  try {
    const lines = createInterface({ input: watcher.stdout ?? process.stdin })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toMatch(/^w\s+blue/);
    const waiting = run('wait -n t wd/w --for=condition=Ready --timeout=20s');
    const status = JSON.stringify({ status: { conditions: [{ type: 'Ready', status: 'True' }] } });
    await run(`patch wd -n t w --subresource=status --type=merge -p ${status}`);
    expect(await waiting).toContain('condition met');
    expect((await lines.next()).value).toMatch(/^w\s+blue/);
    await run('wait --for=condition=Established crd/widgets.ex.io --timeout=10s');
  } finally {
    watcher.kill();
  }
});

it('deletes and waits until it is done', async () => {
  expect(await run('delete wd -n t w --cascade=foreground')).toContain('deleted');
  expect((await cluster.kubectl(['get', 'wd', '-n', 't', 'w'])).err).toContain('(NotFound)');
  expect(await run('delete ns three')).toContain('deleted');
  expect(await run('run pod1 -n t --image=x --restart=Never')).toContain('created');
  expect(await run('get pods -n t')).toMatch(/pod1\s+0\/1\s+Pending/);
  expect(await run('delete pod -n t pod1 --force --grace-period=0')).toContain('deleted');
});

it('keeps VMs as KubeVirt users write them', async () => {
  const vm = `
apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: {name: vm1, namespace: t}
spec:
  runStrategy: Halted
  template:
    spec:
      domain:
        devices: {disks: [{name: root, disk: {bus: virtio}}]}
        memory: {guest: 256Mi}
      volumes: [{name: root, containerDisk: {image: quay.io/kubevirt/cirros-container-disk-demo}}]
`;
  expect(await run('apply -f -', vm)).toContain('virtualmachine.kubevirt.io/vm1 created');
  expect(await run('get vm -n t')).toContain('vm1');
  expect(await run('delete vm -n t vm1')).toContain('deleted');
});
