import { createHmac, hkdfSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { UploadTokens } from './token.ts';

const START = Date.parse('2026-01-01T00:00:00Z');
const grant = { namespace: 'ns', name: 'disk', uid: 'u1' };

function tokensAt(secret = 'the cluster key'): { tokens: UploadTokens; advance: (seconds: number) => void } {
  let now = START;
  const clock = { now: () => now, after: () => () => undefined };
  return { tokens: new UploadTokens(secret, clock), advance: (seconds) => (now += seconds * 1000) };
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A token signed with the right key, whatever it says. */
function forged(header: object, claims: object): string {
  const key = Buffer.from(hkdfSync('sha256', 'the cluster key', '', 'godwit upload tokens', 32));
  const signed = `${encode(header)}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
}

describe('an upload token', () => {
  it('is good for the claim it was made for, for five minutes', () => {
    const { tokens, advance } = tokensAt();
    const token = tokens.issue(grant);
    expect(tokens.verify(token)).toEqual(grant);
    advance(299);
    expect(tokens.verify(token)).toEqual(grant);
    advance(1);
    expect(tokens.verify(token)).toBeUndefined();
  });

  it('says what CDI says in it', () => {
    expect(claimsOf(tokensAt().tokens.issue(grant))).toMatchObject({
      operation: 'Upload',
      name: 'disk',
      namespace: 'ns',
      resource: { group: '', version: 'v1', resource: 'persistentvolumeclaims' },
      iss: 'cdi-apiserver',
      exp: START / 1000 + 300,
    });
  });

  it('outlives a restart of the server, and means nothing to another cluster', () => {
    const token = tokensAt().tokens.issue(grant);
    expect(tokensAt().tokens.verify(token)).toEqual(grant);
    expect(tokensAt('another key').tokens.verify(token)).toBeUndefined();
  });

  it('is not taken when anything in it was changed', () => {
    const { tokens } = tokensAt();
    const [header = '', payload = '', signature = ''] = tokens.issue(grant).split('.');
    const other = encode({ ...claimsOf(`.${payload}`), name: 'other' });
    const none = encode({ alg: 'none', typ: 'JWT' });
    for (const token of [
      `${header}.${other}.${signature}`,
      `${header}.${payload}.`,
      `${none}.${payload}.`,
      `${none}.${payload}.${signature}`,
      `${header}.${payload}.${signature}x`,
      `${header}.${payload}.${signature}.${signature}`,
      payload,
      '',
    ])
      expect(tokens.verify(token), token).toBeUndefined();
  });

  it('must be of the one algorithm and for this one use, even when the signature is right', () => {
    const { tokens } = tokensAt();
    const header = { alg: 'HS256', typ: 'JWT' };
    const claims = claimsOf(tokens.issue(grant));
    expect(tokens.verify(forged(header, claims))).toEqual(grant);
    expect(tokens.verify(forged({ ...header, alg: 'none' }, claims))).toBeUndefined();
    for (const change of [
      { operation: 'Clone' },
      { resource: { group: '', version: 'v1', resource: 'secrets' } },
      { params: {} },
      { name: '' },
      { iss: 'https://kubernetes.default.svc' },
      { aud: 'somebody else' },
      { nbf: START / 1000 + 60 },
      { exp: undefined },
    ])
      expect(tokens.verify(forged(header, { ...claims, ...change })), JSON.stringify(change)).toBeUndefined();
  });
});
