/**
 * Node options of a carrier. It runs one small loop around TLS: the mid-tier compiler makes it as fast as the optimizing one
 * does, which only costs 6 MB; so is collecting garbage on other threads only 2 MB more. `--expose-gc` is for `pump.ts`.
 */
export const carrierArguments: readonly string[] = [
  '--expose-gc',
  '--single-threaded-gc',
  '--no-opt',
  '--max-semi-space-size=1',
  '--max-old-space-size=96',
];
