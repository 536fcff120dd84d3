import { generateKeyPairSync } from 'node:crypto';
import type { Clock } from '@godwit/core/clock';
import { describe, expect, it } from 'vitest';
import { ServiceAccountTokens } from './service-account-tokens.ts';

const pkcs8 = { type: 'pkcs8', format: 'pem' } as const;
const ec = (): string => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export(pkcs8).toString();
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export(pkcs8).toString();
const key = ec();

function tokensAt(keyPem: string, issuer = 'https://issuer'): { tokens: ServiceAccountTokens; time: { ms: number } } {
  const time = { ms: 1_700_000_000_500 };
  const clock: Clock = { now: () => time.ms, after: () => () => undefined };
  return { tokens: new ServiceAccountTokens(keyPem, issuer, clock), time };
}

describe('service account tokens', () => {
  it.each([
    ['RS256', rsa],
    ['ES256', key],
  ])('come back as the account (%s)', (algorithm, keyPem) => {
    const { tokens } = tokensAt(keyPem);
    const { token, expiresAtMs } = tokens.issue('ns', 'bot', 'u1', { expirationSeconds: 600 });
    expect(expiresAtMs).toBe(1_700_000_600_000);
    expect(JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString())).toMatchObject({
      alg: algorithm,
    });
    expect(tokens.verify(token)).toEqual({
      username: 'system:serviceaccount:ns:bot',
      uid: 'u1',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated'],
      extra: { 'authentication.kubernetes.io/credential-id': [expect.stringMatching(/^JTI=.{36}$/)] },
    });
  });

  it('end', () => {
    const { tokens, time } = tokensAt(key);
    const { token, expiresAtMs } = tokens.issue('ns', 'bot', 'u1', {});
    time.ms = expiresAtMs - 1;
    expect(tokens.verify(token)).toBeDefined();
    time.ms = expiresAtMs;
    expect(tokens.verify(token)).toBeUndefined();
  });

  it('are for their audience only', () => {
    const { tokens } = tokensAt(key);
    const { token } = tokens.issue('ns', 'bot', 'u1', { audiences: ['vault'] });
    expect(tokens.verify(token)).toBeUndefined();
    expect(tokens.verify(token, ['x', 'vault'])).toBeDefined();
  });

  it('are refused when forged', () => {
    const { tokens } = tokensAt(key);
    const { token } = tokens.issue('ns', 'bot', 'u1');
    const [header = '', payload = '', signature = ''] = token.split('.');
    const edited = Buffer.from(Buffer.from(payload, 'base64url').toString().replaceAll('bot', 'top')).toString(
      'base64url',
    );
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    for (const bad of [
      `${header}.${edited}.${signature}`,
      `${none}.${payload}.`,
      `${header}.${payload}`,
      'x',
      '',
      `${token}.x`,
    ]) {
      expect(tokens.verify(bad)).toBeUndefined();
    }
    expect(tokensAt(ec()).tokens.verify(token)).toBeUndefined();
    expect(tokensAt(key, 'https://other').tokens.verify(token)).toBeUndefined();
  });

  it('need a key that can sign them', () => {
    const ed = generateKeyPairSync('ed25519').privateKey.export(pkcs8).toString();
    expect(() => tokensAt(ed)).toThrow(expect.objectContaining({ code: 'TOKEN_KEY_UNSUPPORTED' }));
  });
});
