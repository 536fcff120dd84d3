/** An image reference without transport prefix, split into what names it and what selects a version of it. */
export interface ImageReference {
  readonly repository: string;
  /** Tag or digest; absent when none was given. */
  readonly version: string | undefined;
}

const TRANSPORT = /^(?:docker|oci|registry):\/\//;

/** Reads `docker://quay.io/kubevirt/cirros:devel`, `quay.io/kubevirt/cirros@sha256:…` and the like. */
export function parseReference(text: string): ImageReference {
  const bare = text.replace(TRANSPORT, '');
  const digest = bare.indexOf('@');
  if (digest >= 0) return { repository: withoutTag(bare.slice(0, digest)), version: bare.slice(digest + 1) };
  const colon = tagColon(bare);
  return colon < 0
    ? { repository: bare, version: undefined }
    : { repository: bare.slice(0, colon), version: bare.slice(colon + 1) };
}

/** A colon counts as the start of a tag only behind the last slash: before it, it starts a port. */
function tagColon(bare: string): number {
  const colon = bare.lastIndexOf(':');
  return colon > bare.lastIndexOf('/') ? colon : -1;
}

function withoutTag(bare: string): string {
  const colon = tagColon(bare);
  return colon < 0 ? bare : bare.slice(0, colon);
}

/**
 * The catalogue entry for a wanted reference: the same text, else the same repository and version, else an entry without
 * a version, which stands for all of them. URLs of files match only as the same text.
 */
export function matchReference<T>(entries: ReadonlyMap<string, T>, wanted: string): T | undefined {
  const same = entries.get(wanted);
  if (same !== undefined || /^https?:\/\//.test(wanted)) return same;
  const target = parseReference(wanted);
  let any: T | undefined;
  for (const [text, entry] of entries) {
    if (/^https?:\/\//.test(text)) continue;
    const have = parseReference(text);
    if (have.repository !== target.repository) continue;
    if (have.version === target.version) return entry;
    if (have.version === undefined) any = entry;
  }
  return any;
}
