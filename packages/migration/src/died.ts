/** What both sides say of a guest that was torn by post-copy. */
export function diedInPostCopy(why: string): string {
  return `The guest died in post-copy, its disks have every write that it was told of: ${why}`;
}
