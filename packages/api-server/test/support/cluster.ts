import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openSqliteStore } from '@godwit/store';
import type { ObjectStore } from '@godwit/store';
import { createApiServer } from '../../src/index.ts';
import type { ApiServer, ApiServerOptions } from '../../src/index.ts';
import { createTestCa, newKeyPem } from './pki.ts';
import type { Issued, TestCa } from './pki.ts';

export interface Reply {
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** Parsed JSON; undefined when the body is none. */
  // oxlint-disable-next-line typescript/no-explicit-any -- assertions walk through answers of every shape
  readonly body: any;
}

export interface CallOptions {
  readonly body?: unknown;
  /** Sent as it is, instead of `body` as JSON. */
  readonly raw?: string | Uint8Array;
  readonly headers?: Record<string, string>;
  readonly as?: Issued | 'nobody';
}

export interface KubectlOptions {
  readonly program?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface WatchLine {
  readonly type: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
  readonly object: any;
}

export interface OpenWatch {
  readonly lines: WatchLine[];
  readonly code: number;
  readonly ended: Promise<void>;
  /** The line that satisfies a condition, once it has come. */
  wait(what: string, accept: (line: WatchLine) => boolean): Promise<WatchLine>;
  close(): void;
}

/** A real API server on SQLite and TLS in a directory of its own. */
export class TestCluster {
  readonly directory: string;
  readonly ca: TestCa;
  readonly admin: Issued;
  readonly store: ObjectStore;
  readonly server: ApiServer;

  constructor(directory: string, ca: TestCa, admin: Issued, store: ObjectStore, server: ApiServer) {
    this.directory = directory;
    this.ca = ca;
    this.admin = admin;
    this.store = store;
    this.server = server;
  }

  static async start(options: Partial<ApiServerOptions> = {}): Promise<TestCluster> {
    const directory = mkdtempSync(join(tmpdir(), 'api-server-test-'));
    const ca = await createTestCa();
    const [serving, admin] = [
      await ca.issue('CN=kube-apiserver', true),
      await ca.issue('CN=kubernetes-admin, O=system:masters'),
    ];
    const store = openSqliteStore(join(directory, 'api.sqlite'));
    const server = await createApiServer({
      store,
      host: '127.0.0.1',
      port: 0,
      tls: { ...serving, clientCaPem: ca.certPem },
      serviceAccountKeyPem: await newKeyPem(),
      clusterCaPem: ca.certPem,
      ...options,
    });
    return new TestCluster(directory, ca, admin, store, server);
  }

  async stop(): Promise<void> {
    await this.server.close();
    await this.store.close();
    rmSync(this.directory, { recursive: true });
  }

  call(method: string, path: string, options: CallOptions = {}): Promise<Reply> {
    const bytes = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
    const headers: Record<string, string> = { ...options.headers };
    if (options.raw === undefined && bytes !== undefined) headers['content-type'] ??= 'application/json';
    if (bytes !== undefined) headers['content-length'] = String(Buffer.byteLength(bytes));
    return new Promise((resolve, reject) => {
      const sent = request(
        this.server.url + path,
        { method, headers, ...this.#tls(options.as), agent: false },
        (response) => {
          let text = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (text += chunk));
          response.on('error', reject);
          response.on('end', () => {
            let body: unknown;
            try {
              body = JSON.parse(text);
            } catch {
              body = undefined;
            }
            resolve({ code: response.statusCode ?? 0, headers: response.headers, text, body });
          });
        },
      );
      sent.on('error', reject);
      sent.end(bytes);
    });
  }

  /** `type`: of the patch, without `application/`. */
  patch(path: string, type: string, body: unknown): Promise<Reply> {
    return this.call('PATCH', path, { body, headers: { 'content-type': `application/${type}` } });
  }

  merge(path: string, body: unknown): Promise<Reply> {
    return this.patch(path, 'merge-patch+json', body);
  }

  watch(path: string, options: CallOptions = {}): Promise<OpenWatch> {
    return new Promise((resolve, reject) => {
      const sent = request(
        this.server.url + path,
        { headers: options.headers, ...this.#tls(options.as), agent: false },
        (response) => {
          const lines: WatchLine[] = [];
          const waiting = new Set<() => void>();
          const reader = createInterface({ input: response });
          const ended = new Promise<void>((end) => reader.once('close', end));
          reader.on('error', () => undefined);
          reader.on('line', (line) => {
            lines.push(JSON.parse(line) as WatchLine);
            for (const look of waiting) look();
          });
          response.on('error', () => undefined);
          resolve({
            lines,
            code: response.statusCode ?? 0,
            ended,
            wait: (what, accept) =>
              new Promise((found, fail) => {
                const timer = setTimeout(() => {
                  waiting.delete(look);
                  fail(
                    new Error(
                      `no ${what} within 10 s; got ${JSON.stringify(lines.map((line) => [line.type, line.object.metadata?.name]))}`,
                    ),
                  );
                }, 10_000);
                const look = (): void => {
                  const line = lines.find(accept);
                  if (!line) return;
                  clearTimeout(timer);
                  waiting.delete(look);
                  found(line);
                };
                waiting.add(look);
                look();
              }),
            close: () => sent.destroy(),
          });
        },
      );
      sent.on('error', reject);
      sent.end();
    });
  }

  kubeconfig(): string {
    const path = join(this.directory, 'kubeconfig');
    const base64 = (pem: string): string => Buffer.from(pem).toString('base64');
    writeFileSync(
      path,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [
          { name: 'c', cluster: { server: this.server.url, 'certificate-authority-data': base64(this.ca.certPem) } },
        ],
        users: [
          {
            name: 'u',
            user: {
              'client-certificate-data': base64(this.admin.certPem),
              'client-key-data': base64(this.admin.keyPem),
            },
          },
        ],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
        'current-context': 'x',
      }),
    );
    return path;
  }

  #kubectlArgs(args: readonly string[]): string[] {
    return ['--kubeconfig', this.kubeconfig(), '--cache-dir', join(this.directory, 'cache'), ...args];
  }

  /** `program`: another kubectl than the installed one. */
  kubectl(
    args: readonly string[],
    input?: string,
    { program = 'kubectl', env = {} }: KubectlOptions = {},
  ): Promise<{ code: number; out: string; err: string }> {
    return new Promise((resolve) => {
      const child = execFile(
        program,
        this.#kubectlArgs(args),
        { timeout: 30_000, maxBuffer: 1024 * 1024 * 1024, env: { ...process.env, ...env } },
        (error, out, err) => {
          resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, out, err });
        },
      );
      child.stdin?.end(input ?? '');
    });
  }

  spawnKubectl(args: readonly string[], program = 'kubectl'): ChildProcess {
    return spawn(program, this.#kubectlArgs(args), { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  #tls(as: CallOptions['as']): object {
    const identity = as === 'nobody' ? undefined : (as ?? this.admin);
    return { ca: this.ca.certPem, ...(identity ? { cert: identity.certPem, key: identity.keyPem } : {}) };
  }
}
