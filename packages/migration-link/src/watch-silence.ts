/** Between two looks at what has come. */
export const LOOK_MS = 1000;

/**
 * Gives a look, to be taken every `LOOK_MS`, at the bytes that have come so far (undefined: nothing is to come now): true
 * when nothing has for so many looks that nothing will, and again after as many. Looks are counted, not time: a process that
 * was kept from running, or a clock that was set, says nothing of the network.
 */
export function createSilenceWatch(looks: number): (bytes: number | undefined) => boolean {
  let before: number | undefined;
  let silent = 0;
  return (bytes) => {
    silent = bytes === undefined || bytes !== before ? 0 : silent + 1;
    before = bytes;
    if (silent < looks) return false;
    silent = 0;
    return true;
  };
}
