import { spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestCluster } from '../support/cluster.ts';
import { Client } from '../support/conformance.ts';
import { C, fixtures, W } from '../support/widgets.ts';

// The same script for every kubectl: the installed one, and an old one (OpenAPI v2, legacy discovery, no field
// validation) when KUBECTL_1_20 names it or `kubectl1.20` is on the PATH.
const OLD = process.env['KUBECTL_1_20'] ?? 'kubectl1.20';
const hasOld = spawnSync(OLD, ['version', '--client']).status === 0;

const settings = (color: string): string => `
apiVersion: ex.io/v1
kind: Widget
metadata: {name: w, namespace: t}
spec: {color: ${color}, note: x}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: m, namespace: t}
data: {a: "1"}
`;

function script(program: string): void {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.start({ bootstrap: fixtures });
  });
  afterAll(() => cluster.stop());
  const client = new Client(() => cluster);

  const kubectl = (text: string, input?: string, env: Record<string, string> = {}) =>
    cluster.kubectl(text.split(' '), input, { program, env });
  async function run(text: string, input?: string, env?: Record<string, string>): Promise<string> {
    const { code, out, err } = await kubectl(text, input, env);
    expect(code, `kubectl ${text}: ${out}${err}`).toBe(0);
    return out;
  }

  it('knows the server', async () => {
    expect(await run('version')).toMatch(/Server Version: .*v1\.32/);
    expect(await run('api-resources -o name')).toContain('widgets.ex.io');
  });

  it('creates and applies', async () => {
    expect(await run('create configmap -n t one --from-literal=a=1')).toContain('configmap/one created');
    expect(await run('create -f -', settings('red'))).toContain('widget.ex.io/w created');
    expect((await kubectl('create -f -', settings('red'))).err).toContain('(AlreadyExists)');
    await run('delete -f -', settings('red'));
    expect(await run('apply -f -', settings('red'))).toBe('widget.ex.io/w created\nconfigmap/m created\n');
    expect(await run('apply -f -', settings('red'))).toBe('widget.ex.io/w unchanged\nconfigmap/m unchanged\n');
    expect(await run('apply -f -', settings('blue'))).toBe('widget.ex.io/w configured\nconfigmap/m unchanged\n');
    expect((await kubectl('apply -f -', settings('green'))).err).toContain('is invalid');
  });

  it('edits', async () => {
    expect(await run('edit -n t wd/w', undefined, { KUBE_EDITOR: 'sed -i s/blue/red/' })).toContain('edited');
    expect((await client.get(`${W}/w`)).body.spec.color).toBe('red');
    expect(await run('edit -n t cm/m', undefined, { KUBE_EDITOR: 'sed -i /^data:/,/^kind/s/1/2/' })).toContain(
      'edited',
    );
    expect((await client.get(`${C}/m`)).body.data).toEqual({ a: '2' });
  });

  it('watches and waits', async () => {
    const watcher = cluster.spawnKubectl(['get', 'wd', '-n', 't', '-w', '--no-headers'], program);
    try {
      const lines = createInterface({ input: watcher.stdout ?? process.stdin })[Symbol.asyncIterator]();
      expect((await lines.next()).value).toMatch(/^w\s+red/);
      const waiting = run('wait -n t wd/w --for=condition=Ready --timeout=20s');
      await client.merge(`${W}/w/status`, { status: { conditions: [{ type: 'Ready', status: 'True' }] } });
      expect(await waiting).toContain('condition met');
      expect((await lines.next()).value).toMatch(/^w\s+red/);
    } finally {
      watcher.kill();
    }
    expect(await run('wait --for=condition=Established crd/widgets.ex.io --timeout=10s')).toContain('condition met');
  });

  it('describes with events', async () => {
    const { metadata, apiVersion, kind } = (await client.get(`${W}/w`)).body;
    await client.post('/api/v1/namespaces/t/events', {
      metadata: { name: 'w.1' },
      involvedObject: { apiVersion, kind, namespace: 't', name: 'w', uid: metadata.uid },
      reason: 'Painted',
      message: 'it is red now',
      type: 'Normal',
      source: { component: 'painter' },
      count: 3,
      firstTimestamp: metadata.creationTimestamp,
      lastTimestamp: metadata.creationTimestamp,
    });
    expect(await run('describe wd -n t w')).toMatch(/Color:\s+red[\s\S]*Events:[\s\S]*Painted[\s\S]*it is red now/);
    expect(await run('describe cm -n t m')).toMatch(/Data\n====\na:\n----\n2/);
    expect(await run('get events -n t')).toMatch(/Normal\s+Painted\s+widget\/w\s+it is red now/);
    expect(await run('get wd -n t -o wide')).toMatch(/NAME\s+COLOR\s+NOTE\s+MAX\nw\s+red\s+x\s+10/);
  });

  it('applies server-side', async () => {
    const manifest = (value: string): string => `
apiVersion: v1
kind: ConfigMap
metadata: {name: shared, namespace: t}
data: {a: "${value}"}
`;
    expect(await run('apply --server-side -f -', manifest('1'))).toContain('serverside-applied');
    expect(await run('apply --server-side -f -', manifest('1'))).toContain('serverside-applied');
    const other = 'apply --server-side --field-manager=other -f -';
    const refused = await kubectl(other, manifest('2'));
    expect(refused.code).not.toBe(0);
    expect(refused.err).toMatch(/conflict with "kubectl": \.data\.a/);
    expect(await run(`${other} --force-conflicts`, manifest('2'))).toContain('serverside-applied');
    expect((await client.get(`${C}/shared`)).body).toMatchObject({ data: { a: '2' } });
    // What was applied by the client first is taken over.
    expect(await run('apply --server-side --force-conflicts -f -', settings('blue'))).toContain('serverside-applied');
    const taken = (await client.get(`${W}/w`)).body;
    expect(taken.spec.color).toBe('blue');
    const managers = taken.metadata.managedFields.map((one: { manager: string }) => one.manager);
    expect(managers).toContain('kubectl');
  });

  it('changes single fields', async () => {
    expect(await run('label wd -n t w a=b')).toContain('labeled');
    expect(await run('annotate cm -n t m a=b')).toContain('annotated');
    expect(await run('patch cm -n t m -p {"data":{"b":"1"}}')).toContain('patched');
    expect(await run('patch wd -n t w --type=merge -p {"spec":{"note":"y"}}')).toContain('patched');
    expect(await run('scale wd -n t w --replicas=3')).toContain('scaled');
    expect((await client.get(`${W}/w`)).body.spec).toMatchObject({ note: 'y', replicas: 3 });
    expect(await run('auth can-i create pods')).toBe('yes\n');
  });

  it('deletes', async () => {
    expect(await run('delete -f -', settings('red'))).toContain('widget.ex.io "w" deleted');
    expect((await kubectl('get wd -n t w')).err).toContain('(NotFound)');
    expect(await run('create namespace n')).toContain('created');
    expect(await run('delete namespace n')).toContain('deleted');
  });
}

describe('the installed kubectl', () => script('kubectl'));

describe.skipIf(!hasOld)(
  hasOld ? 'kubectl 1.20' : 'kubectl 1.20 is not here: name it in KUBECTL_1_20 or install it as kubectl1.20',
  () => script(OLD),
);
