import { expect, it } from 'vitest';
import { canonicalQuantity } from './quantities.ts';

it.each([
  ['1024Mi', '1Gi'],
  ['1Gi', '1Gi'],
  ['1500Mi', '1500Mi'],
  ['1000m', '1'],
  ['500m', '500m'],
  ['2000', '2k'],
  ['1000000', '1M'],
  ['0Gi', '0'],
  ['1048576Ki', '1Gi'],
  ['1.5Gi', '1.5Gi'],
])('%s is %s', (given, canonical) => expect(canonicalQuantity(given)).toBe(canonical));
