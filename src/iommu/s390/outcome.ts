/** Condition codes of the zPCI instructions. */
const ConditionCode = {
  done: 0,
  /** Bits 31:24 of the first register tell why. */
  failed: 1,
  /** The function handle names nobody, or a function that is not enabled. */
  refused: 3,
} as const;

/** Status codes, bits 31:24 of the first register behind condition code 1. */
export const StatusCode = {
  functionInError: 8,
  /** Loads and stores of a function in error. */
  blocked: 12,
  insufficientResources: 16,
  /** Loads and stores to an address space that does not exist. */
  invalidAddressSpace: 20,
  /** Registered already, or not; not in error. */
  sequence: 24,
  invalidDmaSpace: 28,
  errorRecovery: 40,
} as const;

/** Program interruptions. */
export type ProgramException = 'operand' | 'specification' | 'addressing';

/** How an instruction ends: with a condition code (and a status code with 1), or with a program interruption. */
export interface Outcome {
  readonly cc?: number;
  readonly status?: number;
  readonly exception?: ProgramException;
}

export function done(): Outcome {
  return { cc: ConditionCode.done };
}

export function failed(status: number): Outcome {
  return { cc: ConditionCode.failed, status };
}

export function refused(): Outcome {
  return { cc: ConditionCode.refused };
}

export function exception(kind: ProgramException): Outcome {
  return { exception: kind };
}
