import { userInfo } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { layoutOf } from './layout.ts';

it('leaves room for the longest socket path, whatever TMPDIR says', () => {
  const { sockets } = layoutOf('/some/where');
  expect(sockets).toMatch(new RegExp(String.raw`^/tmp/gw-${userInfo().uid}-[0-9a-f]{8}$`));
  const anyUser = sockets.replace(`gw-${userInfo().uid}-`, 'gw-4294967295-');
  const longest = join(anyUser, 'c'.repeat(20), 'node16', '12345678-1234-1234-1234-123456789012', 'observe.sock');
  expect(longest.length).toBeLessThanOrEqual(107);
});
