/** What a carrier may be told on its standard input after its configuration, a word a line; a line of JSON is new credentials. */
export const KEEP = 'keep';
export const END = 'end';
/** With a number of seconds behind it. */
export const WATCH = 'watch ';
