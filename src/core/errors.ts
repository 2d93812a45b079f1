/** The five error classes that a QMP reply can carry. */
export type ErrorClass = 'GenericError' | 'CommandNotFound' | 'DeviceNotActive' | 'DeviceNotFound' | 'KVMMissingCap';

/**
 * A refusal that the caller shall read: every room throws it, and the monitor turns it into a QMP error reply.
 * Its message is QEMU's sentence where QEMU has one, otherwise a full sentence that names the value, the limit and
 * what to do. Any other exception is a bug in this program.
 */
export class CommandError extends Error {
  readonly errorClass: ErrorClass;

  constructor(message: string, errorClass: ErrorClass = 'GenericError') {
    super(message);
    this.name = 'CommandError';
    this.errorClass = errorClass;
  }
}

/** The sentence of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
