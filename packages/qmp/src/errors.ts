import { GodwitError } from '@godwit/core/errors';

export type QmpErrorCode =
  | 'QMP_COMMAND_FAILED'
  | 'QMP_COMMAND_TIMEOUT'
  | 'QMP_CONNECT_TIMEOUT'
  | 'QMP_DISCONNECTED'
  | 'QMP_PROTOCOL';

/** What QEMU said about a command it refused. */
export interface CommandFailure {
  readonly command: string;
  /** QEMU's error class, nearly always `GenericError`. */
  readonly class: string;
  readonly description: string;
}

export function commandFailed(command: string, errorClass: string, description: string): GodwitError {
  const details: CommandFailure = { command, class: errorClass, description };
  return new GodwitError<QmpErrorCode, CommandFailure>(
    'QMP_COMMAND_FAILED',
    `QEMU refused ${command} (${errorClass}): ${description}`,
    { details },
  );
}

export function disconnected(path: string, cause?: unknown): GodwitError {
  return new GodwitError<QmpErrorCode>('QMP_DISCONNECTED', `The QMP connection to ${path} is closed`, {
    details: { path },
    retry: 'backoff',
    cause,
  });
}
