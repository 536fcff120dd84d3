import type { TLSSocket } from 'node:tls';
import { resources } from '@godwit/api';
import { ApiError } from '../api-error.ts';
import type { ObjectReader, UserInfo } from '../plugins.ts';
import { anonymous, userFromCertificate } from './certificate-user.ts';
import type { ServiceAccountTokens } from './service-account-tokens.ts';

export interface Credentials {
  readonly authorization: string | undefined;
  readonly socket: Pick<TLSSocket, 'authorized' | 'getPeerCertificate'>;
}

function unauthorized(): ApiError {
  return new ApiError({ code: 401, reason: 'Unauthorized', message: 'Unauthorized' });
}

/** Finds out who sends a request: by bearer token, else by client certificate, else nobody in particular. */
export class Authenticator {
  readonly #tokens: ServiceAccountTokens;
  readonly #reader: ObjectReader;
  readonly #allowAnonymous: boolean;
  readonly #certificateUsers = new WeakMap<object, UserInfo>();

  constructor(tokens: ServiceAccountTokens, reader: ObjectReader, allowAnonymous: boolean) {
    this.#tokens = tokens;
    this.#reader = reader;
    this.#allowAnonymous = allowAnonymous;
  }

  /** Rejects with 401 when credentials are wrong, or missing while they are needed. `connection` keys the cache. */
  authenticate(credentials: Credentials, connection: object): UserInfo {
    const token = /^Bearer\s+(\S+)\s*$/i.exec(credentials.authorization ?? '')?.[1];
    if (token !== undefined) {
      const user = this.userOfToken(token);
      if (user) return user;
      throw unauthorized();
    }
    const user = this.#userOfConnection(credentials.socket, connection);
    if (user === anonymous && !this.#allowAnonymous) throw unauthorized();
    return user;
  }

  /** The user of a token whose ServiceAccount still exists. */
  userOfToken(token: string, audiences?: readonly string[]): UserInfo | undefined {
    const user = this.#tokens.verify(token, audiences);
    const match = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user?.username ?? '');
    if (!user || !match) return undefined;
    const account = this.#reader.get(resources.serviceAccounts, match[2] ?? '', match[1] ?? '');
    return account?.metadata.uid === user.uid ? user : undefined;
  }

  #userOfConnection(socket: Credentials['socket'], connection: object): UserInfo {
    const known = this.#certificateUsers.get(connection);
    if (known) return known;
    const certificate = socket.getPeerCertificate();
    const presented = certificate && Object.keys(certificate).length > 0;
    if (presented && !socket.authorized) throw unauthorized();
    const user = presented ? userFromCertificate(certificate) : anonymous;
    this.#certificateUsers.set(connection, user);
    return user;
  }
}
