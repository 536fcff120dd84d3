import { ApiError, badRequest, invalidOptions, unspecified } from '../api-error.ts';
import { parseJson, parseYaml, unsupportedMediaType } from '../http/body.ts';
import type { RawBody } from '../http/body.ts';
import type { ServedKind } from '../kinds/served-kind.ts';
import { PatchError } from '../patch/errors.ts';
import { applyJsonPatch } from '../patch/json-patch.ts';
import { applyMergePatch } from '../patch/merge-patch.ts';
import { applyStrategicMergePatch } from '../patch/strategic-merge-patch.ts';

const JSON_PATCH = 'application/json-patch+json';
const MERGE_PATCH = 'application/merge-patch+json';
const STRATEGIC = 'application/strategic-merge-patch+json';
export const APPLY = 'application/apply-patch+yaml';
const MAX_OPERATIONS = 10_000;

export type ApplyPatch = (document: unknown) => unknown;

/** Media types of patches that a kind takes; the list goes into OpenAPI and error messages too. */
export function patchTypes(kind: ServedKind): string[] {
  return [JSON_PATCH, MERGE_PATCH, APPLY, ...(kind.custom || !kind.schema ? [] : [STRATEGIC])];
}

function refusal(error: PatchError): ApiError {
  switch (error.code) {
    case 400:
      return badRequest(error.message);
    case 422:
      return new ApiError({
        code: 422,
        reason: 'Invalid',
        message: `the server rejected our request due to an error in our request: ${error.message}`,
        details: {},
      });
    case 500:
      return unspecified(error.message);
  }
}

function guarded(apply: ApplyPatch): ApplyPatch {
  return (document) => {
    try {
      return apply(document);
    } catch (error) {
      throw error instanceof PatchError ? refusal(error) : error;
    }
  };
}

/** A patch from a request body; 415 for types the kind does not take. Applies are read by `readApply`. */
export function readPatch(kind: ServedKind, raw: RawBody, query: URLSearchParams): ApplyPatch {
  if (raw.contentType === APPLY || !patchTypes(kind).includes(raw.contentType))
    throw unsupportedMediaType(patchTypes(kind));
  if (query.get('force') !== null) {
    const message = 'Forbidden: may not be specified for non-apply patch';
    throw invalidOptions('PatchOptions', { reason: 'FieldValueForbidden', message, field: 'force' });
  }
  const patch = parseJson(raw.bytes.toString());
  switch (raw.contentType) {
    case JSON_PATCH:
      if (Array.isArray(patch) && patch.length > MAX_OPERATIONS) {
        const message = `the patch has more than ${MAX_OPERATIONS} operations`;
        throw new ApiError({ code: 413, reason: 'RequestEntityTooLarge', message, details: {} });
      }
      return guarded((document) => applyJsonPatch(document, patch));
    case MERGE_PATCH:
      return guarded((document) => applyMergePatch(document, patch));
    default: {
      const { schema } = kind;
      if (!schema) throw unsupportedMediaType(patchTypes(kind));
      return guarded((document) => applyStrategicMergePatch(document, patch, schema));
    }
  }
}

/** The applied configuration and whether it takes over what others own; 422 without a field manager. */
export async function readApply(raw: RawBody, query: URLSearchParams): Promise<{ body: unknown; force: boolean }> {
  if ((query.get('fieldManager') ?? '') === '') {
    const message = 'Required value: is required for apply patch';
    throw invalidOptions('PatchOptions', { reason: 'FieldValueRequired', message, field: 'fieldManager' });
  }
  const text = raw.bytes.toString();
  // Most clients send JSON, which is YAML too; the YAML parser is loaded for the others only.
  const body = text.trimStart().startsWith('{') ? jsonOrUndefined(text) : undefined;
  return { body: body ?? (await parseYaml(text)), force: query.get('force') === 'true' || query.get('force') === '1' };
}

function jsonOrUndefined(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
