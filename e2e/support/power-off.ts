import { openConsole } from './console.ts';
import { instanceOf } from './guest.ts';
import type { GuestUnderTest } from './guest.ts';

/** Said by the guest's init when its shell or its power button wants that. */
export const GOODBYE = 'godwit-guest: powering off';

/** What a user does who is logged in, at the moment that `until` waits for. */
export async function powerOff(guest: GuestUnderTest, until: () => Promise<void>): Promise<void> {
  await using terminal = await openConsole(guest);
  const running = (await instanceOf(guest, guest.at))?.metadata.uid;
  await until();
  await terminal.type('poweroff', 'the guest to switch itself off', async () => {
    if (terminal.said().includes(GOODBYE)) return true;
    const now = await instanceOf(guest, guest.at);
    return now?.metadata.uid !== running || now?.status?.phase !== 'Running';
  });
}
