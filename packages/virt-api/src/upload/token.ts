import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { decodeTokenPart, encodeTokenPart } from '@godwit/core/compact-token';
import type { Clock } from '@godwit/core/clock';
import { isObject } from '@godwit/core/json';

/** The claim a token is good for, and no other: one made again under its name has another `uid`. */
export interface UploadGrant {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** As long as CDI's (kubevirt/containerized-data-importer:pkg/apiserver). It has to last until an upload begins, not to its end. */
const LIFETIME_SECONDS = 300;
const ISSUER = 'cdi-apiserver';
const AUDIENCE = 'cdi-uploadproxy';
const HEADER = { alg: 'HS256', typ: 'JWT' } as const;
const RESOURCE = { group: '', version: 'v1', resource: 'persistentvolumeclaims' } as const;

/** Issues and verifies tokens to upload into one claim: JWTs, signed with a key that nothing else is signed with. */
export class UploadTokens {
  readonly #key: Buffer;
  readonly #clock: Clock;

  /** `secret` is kept by the cluster, so that tokens outlive a restart of the server; the key is derived from it. */
  constructor(secret: string, clock: Clock) {
    this.#key = Buffer.from(hkdfSync('sha256', secret, '', 'godwit upload tokens', 32));
    this.#clock = clock;
  }

  issue({ namespace, name, uid }: UploadGrant): string {
    const now = Math.floor(this.#clock.now() / 1000);
    const claims = {
      operation: 'Upload',
      namespace,
      name,
      resource: RESOURCE,
      params: { uid },
      iss: ISSUER,
      aud: AUDIENCE,
      iat: now,
      nbf: now,
      exp: now + LIFETIME_SECONDS,
    };
    const signed = `${encodeTokenPart(HEADER)}.${encodeTokenPart(claims)}`;
    return `${signed}.${this.#sign(signed).toString('base64url')}`;
  }

  /** What a token allows; undefined when it is not ours, was meant for something else or has expired. */
  verify(token: string): UploadGrant | undefined {
    const [header = '', payload = '', signature = '', ...rest] = token.split('.');
    if (rest.length > 0) return undefined;
    const given = Buffer.from(signature, 'base64url');
    const wanted = this.#sign(`${header}.${payload}`);
    if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return undefined;
    if (decodeTokenPart(header)?.['alg'] !== HEADER.alg) return undefined;
    const claims = decodeTokenPart(payload);
    return claims && this.#isCurrent(claims) ? grantOf(claims) : undefined;
  }

  #sign(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest();
  }

  #isCurrent({ iss, aud, nbf, exp }: Record<string, unknown>): boolean {
    const now = Math.floor(this.#clock.now() / 1000);
    if (iss !== ISSUER || aud !== AUDIENCE || typeof nbf !== 'number' || typeof exp !== 'number') return false;
    return now >= nbf && now < exp;
  }
}

function grantOf({ operation, namespace, name, resource, params }: Record<string, unknown>): UploadGrant | undefined {
  if (operation !== 'Upload' || !isObject(resource) || resource['resource'] !== RESOURCE.resource) return undefined;
  const uid = isObject(params) ? params['uid'] : undefined;
  if (typeof namespace !== 'string' || typeof name !== 'string' || typeof uid !== 'string') return undefined;
  return namespace === '' || name === '' || uid === '' ? undefined : { namespace, name, uid };
}
