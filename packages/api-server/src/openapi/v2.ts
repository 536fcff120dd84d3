/** What clients ask for. */
export const OPENAPI_V2_ACCEPT = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
/** What the reply must be called: with the `@` of the name above Go clients refuse it as malformed. */
export const OPENAPI_V2_CONTENT_TYPE = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

/**
 * Body of `GET /openapi/v2` as protobuf (gnostic's `openapi.v2.Document`): swagger version, info and no paths. kubectl
 * before 1.27 insists on the document, and skips client-side validation of every kind that is not in it.
 */
export function openapiV2Protobuf(): Uint8Array {
  const info = [...field(1, text('Kubernetes')), ...field(2, text('unversioned'))];
  return Uint8Array.from([...field(1, text('2.0')), ...field(2, info), ...field(8, [])]);
}

/** A length-delimited field shorter than 128 bytes with a number below 16. */
function field(number: number, bytes: readonly number[]): number[] {
  return [(number << 3) | 2, bytes.length, ...bytes];
}

function text(value: string): number[] {
  return [...Buffer.from(value)];
}
