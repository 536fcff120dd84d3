/** Body of `GET /openapi/v3`. Keys are `api/v1` or `apis/<group>/<version>`; a hash names one state of that document. */
export function openapiV3Index(groupVersions: readonly { readonly key: string; readonly hash: string }[]): {
  paths: Record<string, { serverRelativeURL: string }>;
} {
  const entries = groupVersions.map(({ key, hash }) => [
    key,
    { serverRelativeURL: `/openapi/v3/${key}?hash=${encodeURIComponent(hash)}` },
  ]);
  return { paths: Object.fromEntries(entries) };
}
