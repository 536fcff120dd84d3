import { isObject } from '@godwit/core/json';
import { readQuantity } from '@godwit/core/quantity';
import type { Cause } from '../api-error.ts';
import { bad } from './fields.ts';

const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const DECIMAL = ['', 'k', 'M', 'G', 'T', 'P', 'E'];

/** Canonical form of a quantity (`1024Mi` is `1Gi`, `1000m` is `1`); what is not a whole number with a suffix stays. */
export function canonicalQuantity(quantity: string): string {
  const match = /^(\d+)(m|k|[KMGTPE]i?)?$/.exec(quantity);
  if (!match) return quantity;
  let digits = BigInt(match[1] ?? '0');
  const suffix = match[2] ?? '';
  if (digits === 0n) return '0';
  if (suffix === 'm') return digits % 1000n === 0n ? canonicalQuantity(String(digits / 1000n)) : quantity;
  const scale = suffix.endsWith('i') ? BINARY : DECIMAL;
  const base = suffix.endsWith('i') ? 1024n : 1000n;
  let step = scale.indexOf(suffix);
  if (step < 0) return quantity;
  while (step + 1 < scale.length && digits % base === 0n) {
    digits /= base;
    step += 1;
  }
  return `${digits}${scale[step]}`;
}

/** Integers that a double cannot hold are `bigint`. */
function isWritten(value: unknown): value is string | number | bigint {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint';
}

/** Makes every quantity of a resource list canonical text, numbers included. */
export function canonicalizeQuantities(list: unknown): void {
  if (!isObject(list)) return;
  for (const [key, value] of Object.entries(list)) {
    if (isWritten(value)) list[key] = canonicalQuantity(String(value));
  }
}

function whyBad(value: unknown): string | undefined {
  if (!isWritten(value)) return 'a quantity such as 500m or 10Gi is a text or a number';
  const amount = readQuantity(String(value));
  if (amount === undefined) return `"${value}" is not a quantity such as 500m or 10Gi`;
  return amount < 0 ? `"${value}": must be greater than or equal to 0` : undefined;
}

/** What is wrong in a resource list; whoever counts resources relies on there being nothing. */
export function quantityCauses(field: string, list: unknown): Cause[] {
  if (!isObject(list)) return [];
  return Object.entries(list).flatMap(([key, value]) => {
    const why = whyBad(value);
    return why === undefined ? [] : [bad(`${field}[${key}]`, why)];
  });
}
