import { GodwitError } from '@godwit/core/errors';

/**
 * LINK_IDENTITY_INVALID: a name that cannot be part of a certificate identity, or a request for another identity.
 * LINK_PEER_REFUSED: the peer's certificate is not the expected one. LINK_CLOSED: the connection or the carrier ended.
 * LINK_UNREACHABLE: nothing answered at the address. LINK_CERTIFICATE_MALFORMED: what should be a certificate, a request for
 * one, or the key of an authority, is none.
 */
export type LinkErrorCode =
  | 'LINK_CERTIFICATE_MALFORMED'
  | 'LINK_IDENTITY_INVALID'
  | 'LINK_PEER_REFUSED'
  | 'LINK_CLOSED'
  | 'LINK_UNREACHABLE';

export function linkError(code: LinkErrorCode, message: string, cause?: unknown): GodwitError<LinkErrorCode> {
  const retry = code === 'LINK_CLOSED' || code === 'LINK_UNREACHABLE' ? 'backoff' : 'never';
  return new GodwitError(code, message, cause === undefined ? { retry } : { retry, cause });
}
