import type { IncomingHttpHeaders } from 'node:http';
import { badRequest } from '../api-error.ts';
import type { UserInfo } from '../plugins.ts';
import type { Authorizer } from './authorization.ts';

const EXTRA = 'impersonate-extra-';

function list(value: string | string[] | undefined): string[] {
  const texts = Array.isArray(value) ? value : (value?.split(',') ?? []);
  return texts.map((text) => text.trim()).filter((text) => text !== '');
}

/**
 * The user a request wants to act as, or `user` itself when it names nobody. Rejects with 403 unless `user` may
 * `impersonate` every part of that identity, and with 400 when parts come without a name.
 */
export function impersonate(authorizer: Authorizer, user: UserInfo, headers: IncomingHttpHeaders): UserInfo {
  const username = headers['impersonate-user'];
  const groups = list(headers['impersonate-group']);
  const uid = headers['impersonate-uid'];
  const extraNames = Object.keys(headers).filter((name) => name.startsWith(EXTRA));
  if (typeof username !== 'string' || username === '') {
    if (groups.length > 0 || uid !== undefined || extraNames.length > 0) {
      throw badRequest('impersonating groups, uid or extra needs Impersonate-User');
    }
    return user;
  }
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(username);
  const subject = account
    ? { resource: 'serviceaccounts', namespace: account[1] ?? '', name: account[2] ?? '' }
    : { resource: 'users', name: username };
  authorizer.require(user, { verb: 'impersonate', ...subject });
  for (const name of groups) authorizer.require(user, { verb: 'impersonate', resource: 'groups', name });
  if (typeof uid === 'string') {
    authorizer.require(user, { verb: 'impersonate', group: 'authentication.k8s.io', resource: 'uids', name: uid });
  }
  const extra: Record<string, string[]> = {};
  for (const header of extraNames) {
    const key = decodeURIComponent(header.slice(EXTRA.length));
    const values = list(headers[header]);
    for (const name of values) {
      const wanted = { group: 'authentication.k8s.io', resource: 'userextras', subresource: key, name };
      authorizer.require(user, { verb: 'impersonate', ...wanted });
    }
    extra[key] = values;
  }
  const own = account ? ['system:serviceaccounts', `system:serviceaccounts:${account[1]}`] : [];
  return {
    username,
    groups: [...new Set([...groups, ...(groups.length === 0 ? own : []), 'system:authenticated'])],
    ...(typeof uid === 'string' ? { uid } : {}),
    ...(extraNames.length > 0 ? { extra } : {}),
  };
}
