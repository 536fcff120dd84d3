/** An archive member: a directory when it has no content and no device. */
export interface CpioEntry {
  readonly path: string;
  readonly mode: number;
  readonly content?: Uint8Array;
  /** Character device. */
  readonly device?: { readonly major: number; readonly minor: number };
}

const hex = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');
const padding = (length: number): Buffer => Buffer.alloc((4 - (length % 4)) % 4);

function member(entry: CpioEntry, inode: number): Buffer {
  const content = entry.content ?? new Uint8Array();
  const name = Buffer.from(`${entry.path}\0`);
  const fields = [
    inode,
    entry.mode,
    0,
    0,
    1,
    0,
    content.length,
    0,
    0,
    entry.device?.major ?? 0,
    entry.device?.minor ?? 0,
    name.length,
    0,
  ];
  const header = Buffer.from(`070701${fields.map(hex).join('')}`);
  return Buffer.concat([header, name, padding(header.length + name.length), content, padding(content.length)]);
}

/**
 * A `newc` archive as the kernel unpacks it into its initial root (Documentation/driver-api/early-userspace/buffer-format).
 * The same entries always give the same bytes.
 */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const members = entries.map((entry, index) => member(entry, index + 1));
  return Buffer.concat([...members, member({ path: 'TRAILER!!!', mode: 0 }, 0)]);
}
