import { randomInt } from 'node:crypto';

const LETTERS = 'bcdfghjklmnpqrstvwxz2456789';
const SUFFIX_LENGTH = 5;
const MAX_LENGTH = 63;

/** A name from a prefix, as Kubernetes makes it: at most 63 characters, the last five random. */
export function generateName(prefix: string): string {
  let suffix = '';
  for (let i = 0; i < SUFFIX_LENGTH; i++) suffix += LETTERS[randomInt(LETTERS.length)];
  return prefix.slice(0, MAX_LENGTH - SUFFIX_LENGTH) + suffix;
}
