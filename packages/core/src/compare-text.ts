/**
 * Orders texts by their code units, as Kubernetes orders names and times. `localeCompare` orders words as people do, and
 * loads the tables of their languages for it, 3 MiB in every process.
 */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
