import { GodwitError } from '@godwit/core/errors';

export type GuestErrorCode = 'GUEST_TOOL_FAILED' | 'GUEST_KERNEL_UNAVAILABLE' | 'GUEST_DISK_UNREADABLE';

export function guestError(code: GuestErrorCode, message: string, cause?: unknown): GodwitError<GuestErrorCode> {
  return new GodwitError(code, message, cause === undefined ? {} : { cause });
}
