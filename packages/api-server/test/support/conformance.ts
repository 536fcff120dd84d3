import { expect } from 'vitest';
import type { CallOptions, Reply, TestCluster } from './cluster.ts';

/** What the conformance scenarios share: requests, and what they assert about refusals. */
export class Client {
  readonly #cluster: () => TestCluster;

  /** The cluster is asked for at each call: it starts after the tests are declared. */
  constructor(cluster: () => TestCluster) {
    this.#cluster = cluster;
  }

  get(path: string, options?: CallOptions): Promise<Reply> {
    return this.#cluster().call('GET', path, options);
  }

  post(path: string, body: unknown, options?: CallOptions): Promise<Reply> {
    return this.#cluster().call('POST', path, { body, ...options });
  }

  put(path: string, body: unknown): Promise<Reply> {
    return this.#cluster().call('PUT', path, { body });
  }

  delete(path: string, body?: unknown): Promise<Reply> {
    return this.#cluster().call('DELETE', path, { body });
  }

  /** `type` is the middle of the media type: `merge-patch+json`. */
  patch(path: string, type: string, body: unknown): Promise<Reply> {
    return this.#cluster().call('PATCH', path, { body, headers: { 'content-type': `application/${type}` } });
  }

  merge(path: string, body: unknown): Promise<Reply> {
    return this.patch(path, 'merge-patch+json', body);
  }

  /** `query` may hold `&force=true`. */
  apply(path: string, manager: string, body: unknown, query = ''): Promise<Reply> {
    return this.patch(`${path}?fieldManager=${manager}${query}`, 'apply-patch+yaml', body);
  }
}

/** Asserts a refusal as clients see it, with some of its details. */
export function expectStatus(reply: Reply, code: number, reason?: string, details?: object): void {
  expect(reply.body, reply.text).toMatchObject({
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    code,
    ...(reason === undefined ? {} : { reason }),
    ...(details ? { details } : {}),
  });
  expect(reply.code).toBe(code);
}

export function expectCause(reply: Reply, code: number, reason: string, field: string): void {
  expectStatus(reply, code);
  expect(reply.body.details.causes).toContainEqual(expect.objectContaining({ reason, field }));
}

export const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json';
