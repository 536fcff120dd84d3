import { apiVersionOf } from '@godwit/api';
import type { ResourceKind } from '@godwit/api';
import { rfc3339 } from '@godwit/core/clock';
import type { Clock } from '@godwit/core/clock';
import { isObject } from '@godwit/core/json';
import { badRequest, invalid } from '../api-error.ts';
import type { Authenticator } from '../auth/authentication.ts';
import type { Authorizer } from '../auth/authorization.ts';
import type { AccessAttributes } from '../auth/rbac-types.ts';
import { decodeBody, readBody } from '../http/body.ts';
import type { Exchange } from '../http/exchange.ts';
import { sendValue } from '../http/reply.ts';
import { fieldAt, objectAt, textAt } from '../kinds/fields.ts';
import type { UserInfo } from '../plugins.ts';
import type { ServiceAccountTokens } from '../auth/service-account-tokens.ts';
import { findObject } from './read.ts';
import type { ReadParts } from './read.ts';
import type { ServedKind } from '../kinds/served-kind.ts';

export interface ReviewParts {
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
}

const MIN_TOKEN_SECONDS = 600;

async function readReview(exchange: Exchange, kind: { readonly kind: string }): Promise<Record<string, unknown>> {
  const body = (await decodeBody(await readBody(exchange.request), true)) ?? {};
  if (!isObject(body)) throw badRequest('the request needs an object as its body');
  if (body['kind'] !== undefined && body['kind'] !== '' && body['kind'] !== kind.kind) {
    throw badRequest(`${kind.kind} is needed, not ${JSON.stringify(body['kind'])}`);
  }
  return body;
}

function attributesOf(kind: ResourceKind, body: unknown): AccessAttributes {
  const resource = fieldAt(body, 'spec.resourceAttributes');
  const nonResource = fieldAt(body, 'spec.nonResourceAttributes');
  if (isObject(resource) === isObject(nonResource)) {
    const message = 'Invalid value: exactly one of nonResourceAttributes or resourceAttributes must be specified';
    throw invalid(kind, '', [{ reason: 'FieldValueInvalid', message, field: 'spec.resourceAttributes' }]);
  }
  if (isObject(nonResource)) return { verb: textAt(nonResource, 'verb'), path: textAt(nonResource, 'path') };
  const field = (key: string): string => textAt(resource, key);
  return {
    verb: field('verb'),
    group: field('group'),
    resource: field('resource'),
    subresource: field('subresource'),
    namespace: field('namespace'),
    name: field('name'),
  };
}

function subjectOf(kind: ResourceKind, body: unknown): UserInfo {
  const groups = fieldAt(body, 'spec.groups');
  const username = textAt(body, 'spec.user');
  const list = Array.isArray(groups) ? groups.filter((group) => typeof group === 'string') : [];
  if (username === '' && list.length === 0) {
    const message = 'Invalid value: at least one of user or group must be specified';
    throw invalid(kind, '', [{ reason: 'FieldValueInvalid', message, field: 'spec.user' }]);
  }
  return { username, groups: list };
}

function userInfo(user: UserInfo): object {
  const { username, uid, groups, extra } = user;
  return { username, ...(uid === undefined ? {} : { uid }), groups, ...(extra ? { extra } : {}) };
}

function tokenStatus(parts: ReviewParts, body: unknown): object {
  const audiences = fieldAt(body, 'spec.audiences');
  const wanted = Array.isArray(audiences) ? audiences.filter((one) => typeof one === 'string') : [];
  const user = parts.authenticator.userOfToken(textAt(body, 'spec.token'), wanted.length > 0 ? wanted : undefined);
  if (!user) return { user: {}, error: 'invalid bearer token' };
  return { authenticated: true, user: userInfo(user), ...(wanted.length > 0 ? { audiences: wanted } : {}) };
}

function statusOf(
  parts: ReviewParts,
  exchange: Exchange,
  kind: ResourceKind,
  namespace: string,
  body: unknown,
): object {
  const { authorizer } = parts;
  const answer = (user: UserInfo, attributes: AccessAttributes): object => {
    const { allowed, reason } = authorizer.decide(user, attributes);
    return { allowed, ...(reason === '' ? {} : { reason }) };
  };
  switch (kind.kind) {
    case 'SelfSubjectAccessReview':
      return answer(exchange.user, attributesOf(kind, body));
    case 'SubjectAccessReview':
      return answer(subjectOf(kind, body), attributesOf(kind, body));
    case 'LocalSubjectAccessReview': {
      const attributes = attributesOf(kind, body);
      if (attributes.namespace !== namespace) throw badRequest('spec.resourceAttributes.namespace must match the URL');
      return answer(subjectOf(kind, body), attributes);
    }
    case 'SelfSubjectRulesReview':
      return authorizer.rules(exchange.user, textAt(body, 'spec.namespace'));
    case 'TokenReview':
      return tokenStatus(parts, body);
    default:
      return { userInfo: userInfo(exchange.user) };
  }
}

/** Answers a review: 201 with its status filled in, nothing stored. */
export async function serveReview(
  parts: ReviewParts,
  exchange: Exchange,
  kind: ResourceKind,
  namespace: string,
): Promise<void> {
  const body = await readReview(exchange, kind);
  const status = statusOf(parts, exchange, kind, namespace, body);
  const metadata = { creationTimestamp: null, ...(isObject(body['metadata']) ? body['metadata'] : {}) };
  const review = { ...body, kind: kind.kind, apiVersion: apiVersionOf(kind), metadata, status };
  await sendValue(exchange, 201, review);
}

/** `POST serviceaccounts/<name>/token`. */
export async function serveTokenRequest(
  parts: ReadParts & { readonly tokens: ServiceAccountTokens; readonly clock: Clock },
  exchange: Exchange,
  accounts: ServedKind,
  namespace: string,
  name: string,
): Promise<void> {
  const subject = { group: 'authentication.k8s.io', kind: 'TokenRequest' };
  const body = await readReview(exchange, subject);
  const account = findObject(parts.store, accounts, namespace, name);
  const spec = objectAt(body, 'spec');
  const seconds = spec['expirationSeconds'] ?? 3600;
  if (typeof seconds !== 'number' || seconds < MIN_TOKEN_SECONDS) {
    const message = `Invalid value: ${JSON.stringify(seconds)}: may not specify a duration less than 10 minutes`;
    throw invalid(subject, '', [{ reason: 'FieldValueInvalid', message, field: 'spec.expirationSeconds' }]);
  }
  const audiences = Array.isArray(spec['audiences']) ? spec['audiences'].filter((one) => typeof one === 'string') : [];
  const issued = parts.tokens.issue(namespace, name, account.metadata.uid ?? '', {
    audiences,
    expirationSeconds: seconds,
  });
  await sendValue(exchange, 201, {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name, namespace, creationTimestamp: rfc3339(parts.clock.now()) },
    spec: { ...spec, audiences, expirationSeconds: seconds },
    status: { token: issued.token, expirationTimestamp: rfc3339(issued.expiresAtMs) },
  });
}
