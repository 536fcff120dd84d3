import { GodwitError, describeError, isGodwitError } from '@godwit/core/errors';
import type { CommandFailure } from '@godwit/qmp';

export type HypervisorErrorCode =
  /** The QEMU binary is missing or does not tell its version. */
  | 'HYPERVISOR_NOT_INSTALLED'
  /** QEMU ended, or did not answer, while starting; the message holds what it printed. Nothing runs. */
  | 'HYPERVISOR_LAUNCH_FAILED'
  /** A process that an earlier launch started in that directory still runs. */
  | 'HYPERVISOR_ALREADY_RUNNING'
  /** The process lives but its monitor does not answer. */
  | 'HYPERVISOR_UNREACHABLE'
  | 'HYPERVISOR_SPEC_UNSUPPORTED'
  /** A disk's file or device is missing, unreadable or smaller than the disk. */
  | 'HYPERVISOR_BACKING_UNUSABLE'
  | 'HYPERVISOR_COMMAND_FAILED'
  /** The process is gone, or the connection to it is. */
  | 'HYPERVISOR_GONE'
  | 'HYPERVISOR_TIMEOUT'
  | 'HYPERVISOR_WRONG_STATE'
  | 'HYPERVISOR_UNKNOWN_DISK'
  | 'HYPERVISOR_MIRROR_EXISTS'
  | 'HYPERVISOR_MIRROR_FAILED'
  | 'HYPERVISOR_MIRROR_ABSENT';

export function hypervisorError(
  code: HypervisorErrorCode,
  message: string,
  options: { details?: object; cause?: unknown; retry?: 'never' | 'backoff' } = {},
): GodwitError<HypervisorErrorCode> {
  return new GodwitError(code, message, options);
}

/** Errors of the monitor in the words of this package; anything else stays as it is. */
export function translateQmpError(error: unknown, machine: string): unknown {
  if (isGodwitError(error, 'QMP_COMMAND_FAILED')) {
    const { command, description } = error.details as CommandFailure;
    return hypervisorError('HYPERVISOR_COMMAND_FAILED', `QEMU of ${machine} refused ${command}`, {
      details: { command, description },
      cause: error,
    });
  }
  if (isGodwitError(error, 'QMP_COMMAND_TIMEOUT')) {
    return hypervisorError('HYPERVISOR_TIMEOUT', `QEMU of ${machine} does not answer`, {
      cause: error,
      retry: 'backoff',
    });
  }
  if (isGodwitError(error, 'QMP_DISCONNECTED')) {
    return hypervisorError('HYPERVISOR_GONE', `QEMU of ${machine} is gone`, { cause: error });
  }
  return error;
}

/** True when QEMU refused a command with a description that `pattern` matches; QEMU has no finer error classes. */
export function isRefusal(error: unknown, pattern: RegExp): boolean {
  return isGodwitError(error, 'HYPERVISOR_COMMAND_FAILED') && pattern.test(describeError(error));
}
