/** Dotted path of a member; the root is the empty string. */
export function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

export function joinIndex(path: string, index: number): string {
  return `${path}[${index}]`;
}
