import { isObject } from './json.ts';

/** One part of a compact token (RFC 7515, 7.1): base64url of JSON. */
export function encodeTokenPart(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** Undefined for what is no JSON object. */
export function decodeTokenPart(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString());
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
