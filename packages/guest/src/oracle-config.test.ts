import { expect, test } from 'vitest';
import { oracleUserData } from './oracle-config.ts';

test('only what is set is written, under the header that the guest looks for', () => {
  expect(
    oracleUserData({ runId: '00000000deadbeef', reportPort: 4711, diskSerial: 'oracle', dirtyMibPerSecond: 0 }),
  ).toBe('#godwit-oracle\nrun: 00000000deadbeef\nreport: 10.0.2.1:4711\ndisk: oracle\ndirty-mib-per-second: 0\n');
});
