import { createHash, createPrivateKey, createPublicKey, randomUUID, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { decodeTokenPart, encodeTokenPart } from '@godwit/core/compact-token';
import type { Clock } from '@godwit/core/clock';
import { GodwitError } from '@godwit/core/errors';
import { isObject } from '@godwit/core/json';
import type { UserInfo } from '../plugins.ts';

const DEFAULT_EXPIRATION_SECONDS = 3600;
const PREFIX = 'system:serviceaccount:';

export interface TokenOptions {
  /** Empty or absent: the API server itself. */
  readonly audiences?: readonly string[] | undefined;
  /** Default one hour; bounds are the caller's to check. */
  readonly expirationSeconds?: number | undefined;
}

/** Issues and verifies ServiceAccount tokens: JWTs signed with one RSA (RS256) or P-256 (ES256) key. */
export class ServiceAccountTokens {
  readonly #privateKey: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #algorithm: 'RS256' | 'ES256';
  readonly #keyId: string;
  readonly #issuer: string;
  readonly #clock: Clock;

  /** `keyPem` is a private key. Throws `TOKEN_KEY_UNSUPPORTED` for other kinds of keys. */
  constructor(keyPem: string | Buffer, issuer: string, clock: Clock) {
    this.#privateKey = createPrivateKey(keyPem);
    this.#publicKey = createPublicKey(this.#privateKey);
    this.#algorithm = algorithmOf(this.#privateKey);
    const der = this.#publicKey.export({ type: 'spki', format: 'der' });
    this.#keyId = createHash('sha256').update(der).digest('base64url');
    this.#issuer = issuer;
    this.#clock = clock;
  }

  issue(
    namespace: string,
    name: string,
    uid: string,
    options: TokenOptions = {},
  ): { token: string; expiresAtMs: number } {
    const now = Math.floor(this.#clock.now() / 1000);
    const exp = now + (options.expirationSeconds ?? DEFAULT_EXPIRATION_SECONDS);
    const audiences = options.audiences ?? [];
    const claims = {
      aud: audiences.length === 0 ? [this.#issuer] : audiences,
      exp,
      iat: now,
      iss: this.#issuer,
      jti: randomUUID(),
      'kubernetes.io': { namespace, serviceaccount: { name, uid } },
      nbf: now,
      sub: `${PREFIX}${namespace}:${name}`,
    };
    const signed = `${encodeTokenPart({ alg: this.#algorithm, kid: this.#keyId })}.${encodeTokenPart(claims)}`;
    const signature = sign('sha256', Buffer.from(signed), { key: this.#privateKey, dsaEncoding: 'ieee-p1363' });
    return { token: `${signed}.${signature.toString('base64url')}`, expiresAtMs: exp * 1000 };
  }

  /**
   * The ServiceAccount a token was issued to; undefined when it is not ours, has expired or is meant for none of
   * `audiences` (default: the API server). Whether the account still exists, with that uid, is for the caller to check.
   */
  verify(token: string, audiences: readonly string[] = [this.#issuer]): UserInfo | undefined {
    const [header, payload, signature, ...rest] = token.split('.');
    if (header === undefined || payload === undefined || signature === undefined || rest.length > 0) return undefined;
    if (decodeTokenPart(header)?.['alg'] !== this.#algorithm) return undefined;
    const key = { key: this.#publicKey, dsaEncoding: 'ieee-p1363' } as const;
    if (!verify('sha256', Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'))) {
      return undefined;
    }
    const claims = decodeTokenPart(payload);
    return claims && this.#isCurrent(claims, audiences) ? userOf(claims) : undefined;
  }

  #isCurrent(claims: Record<string, unknown>, audiences: readonly string[]): boolean {
    const { aud, exp, nbf, iss } = claims;
    const now = this.#clock.now() / 1000;
    if (iss !== this.#issuer || typeof exp !== 'number' || typeof nbf !== 'number') return false;
    return (
      now < exp &&
      now >= Math.floor(nbf) &&
      [aud].flat().some((one) => typeof one === 'string' && audiences.includes(one))
    );
  }
}

function userOf(claims: Record<string, unknown>): UserInfo | undefined {
  const { sub, jti } = claims;
  const bound = claims['kubernetes.io'];
  const account = isObject(bound) ? bound['serviceaccount'] : undefined;
  if (!isObject(bound) || !isObject(account)) return undefined;
  const { namespace } = bound;
  const { name, uid } = account;
  if (typeof namespace !== 'string' || typeof name !== 'string' || typeof uid !== 'string') return undefined;
  if (sub !== `${PREFIX}${namespace}:${name}`) return undefined;
  return {
    username: sub,
    uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    extra: { 'authentication.kubernetes.io/credential-id': [`JTI=${String(jti)}`] },
  };
}

function algorithmOf(key: KeyObject): 'RS256' | 'ES256' {
  if (key.asymmetricKeyType === 'rsa') return 'RS256';
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ES256';
  throw new GodwitError('TOKEN_KEY_UNSUPPORTED', 'The token signing key must be an RSA or a P-256 key');
}
