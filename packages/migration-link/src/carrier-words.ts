/** What a carrier may be told on its standard input after its configuration, a word a line. */
export const KEEP = 'keep';
export const END = 'end';
