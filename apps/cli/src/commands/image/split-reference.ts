import { GodwitError } from '@godwit/core/errors';

/**
 * REFERENCE=FILE, where both may hold `=`: the file is the longest tail that exists, or else what follows the last `=`.
 * Throws IMAGE_ARGUMENT.
 */
export function splitReference(text: string, exists: (file: string) => boolean): readonly [string, string] {
  const places = [...text.matchAll(/=/g)].map(({ index }) => index).filter((at) => at > 0 && at < text.length - 1);
  const at = places.find((place) => exists(text.slice(place + 1))) ?? places.at(-1);
  if (at === undefined) throw new GodwitError('IMAGE_ARGUMENT', `"${text}" is not REFERENCE=FILE`);
  return [text.slice(0, at), text.slice(at + 1)];
}
