/**
 * Where QEMU departs from the VT-d specification in a walk. Units follow QEMU, the host model the specification.
 */
export interface Reading {
  /**
   * Accessed and dirty bits of a first-stage entry are written only when none of those that are wanted is set: an
   * entry that was read first never becomes dirty.
   */
  readonly updateOnlyUntouched: boolean;
  /** Every first-stage request counts as one of a user, and WPE plays no part. */
  readonly alwaysUser: boolean;
  /** XD is looked at; otherwise nobody is ever given the right to execute, and execute requests pass as reads. */
  readonly executeDisable: boolean;
  /** The address-width field of a PASID entry narrows the canonical range below what the levels span. */
  readonly narrowedByPasidEntry: boolean;
  /** The translation type of a PASID entry is judged before its present bit: an empty entry counts as invalid. */
  readonly typeBeforePresent: boolean;
}

/** VT-d specification, revision 4.1. */
export const SPECIFICATION: Reading = {
  updateOnlyUntouched: false,
  alwaysUser: false,
  executeDisable: true,
  narrowedByPasidEntry: false,
  typeBeforePresent: false,
};

/** As QEMU 11.1.3 walks. */
export const QEMU_11_1_3: Reading = {
  updateOnlyUntouched: true,
  alwaysUser: true,
  executeDisable: false,
  narrowedByPasidEntry: true,
  typeBeforePresent: true,
};
