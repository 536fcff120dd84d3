import { GodwitError } from './errors.ts';

const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};
const PATTERN = /^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|(n|u|m|k|Ki|Mi|Gi|Ti|Pi|Ei|M|G|T|P|E)?)$/;

/** Value of a Kubernetes quantity as a number (`1Gi` is 1073741824, `500m` is 0.5); undefined for what is none. */
export function readQuantity(text: string | number): number | undefined {
  const match = PATTERN.exec(String(text).trim());
  if (!match) return undefined;
  const [, digits, exponent, suffix] = match;
  return exponent === undefined ? Number(digits) * (SUFFIXES[suffix ?? ''] ?? 1) : Number(`${digits}${exponent}`);
}

/** As `readQuantity`, but throws `QUANTITY_INVALID`. */
export function parseQuantity(text: string | number): number {
  const value = readQuantity(text);
  if (value !== undefined) return value;
  throw new GodwitError('QUANTITY_INVALID', `"${text}" is not a Kubernetes quantity such as 10Gi or 500m`);
}

/** Bytes of a quantity, rounded up to whole bytes. */
export function quantityBytes(text: string | number): number {
  return Math.ceil(parseQuantity(text));
}

/** Canonical binary form of a byte count: the largest binary suffix that divides it (`1073741824` is `1Gi`). */
export function formatBytesQuantity(bytes: number): string {
  for (const suffix of ['Ei', 'Pi', 'Ti', 'Gi', 'Mi', 'Ki']) {
    const unit = SUFFIXES[suffix] ?? 1;
    if (bytes !== 0 && bytes % unit === 0) return `${bytes / unit}${suffix}`;
  }
  return String(bytes);
}

/**
 * A byte count for people, rounded down to two digits (`860Gi`): for figures that change all the time in texts that should
 * not.
 */
export function roughBytes(bytes: number): string {
  const suffix = ['Ei', 'Pi', 'Ti', 'Gi', 'Mi', 'Ki'].find((one) => bytes >= (SUFFIXES[one] ?? 1)) ?? '';
  const value = bytes / (SUFFIXES[suffix] ?? 1);
  const step = 10 ** Math.max(Math.floor(Math.log10(Math.max(value, 1))) - 1, 0);
  return `${Math.floor(value / step) * step}${suffix}`;
}
