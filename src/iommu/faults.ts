import { hex } from '../core/address.ts';
import type { Access, TranslationFault } from '../memory/access.ts';

/** What one code of a platform means. Every platform has a table of its own. */
export interface FaultCode {
  /** As the platform's specification numbers it. */
  readonly code: number;
  /** The name that replies and events carry; several codes may have the same. */
  readonly reason: string;
  /** What happened, as the middle of a sentence. */
  readonly description: string;
}

/** A fault reason of VT-d: section 7.1.3 and the tables of fault reasons behind it. */
export interface FaultReason extends FaultCode {
  /** FPD (fault processing disable) in the context or PASID entry keeps it from being recorded. */
  readonly qualified: boolean;
  /** An ATS request that meets it gets an answer without rights, and nothing is recorded. */
  readonly recoverable: boolean;
}

const QUALIFIED = 1;
const RECOVERABLE = 2;

/**
 * Code, name, flags, description. Qualification is QEMU 11.1.3's; 0x46, 0x74 to 0x79 and 0x82 are raised only where
 * the specification's reading is followed. 0 stands for a request that hardware would give no reason for.
 */
const TABLE: readonly (readonly [number, string, number, string])[] = [
  [0x00, 'no-pasid-table', 0, 'no PASID table is bound for the device'],
  [0x01, 'root-not-present', 0, 'the root entry is not present'],
  [0x02, 'context-not-present', QUALIFIED, 'the context entry is not present'],
  [0x03, 'context-invalid', QUALIFIED, 'the context entry is invalid, or its top page table cannot be read'],
  [0x04, 'address-beyond-width', QUALIFIED, 'the address is beyond the width that the unit or the context allows'],
  [0x05, 'write-not-permitted', QUALIFIED | RECOVERABLE, 'the second stage does not permit writes'],
  [0x06, 'read-not-permitted', QUALIFIED | RECOVERABLE, 'the second stage does not permit reads'],
  [0x07, 'second-stage-table-unreachable', QUALIFIED, 'a second-stage table cannot be read'],
  [0x08, 'root-table-unreachable', 0, 'the root table cannot be read'],
  [0x09, 'context-table-unreachable', 0, 'the context table cannot be read'],
  [0x0a, 'root-reserved', 0, 'a reserved bit of the root entry is set'],
  [0x0b, 'context-reserved', 0, 'a reserved bit of the context entry is set'],
  [0x0c, 'second-stage-reserved', QUALIFIED, 'a reserved bit of a second-stage entry is set'],
  [0x0d, 'request-blocked', QUALIFIED, 'the translation type of the context blocks such requests'],
  [0x0e, 'output-in-interrupt-range', QUALIFIED, 'the translated address lies in the interrupt range'],
  [0x20, 'interrupt-request-reserved', 0, 'a reserved bit of the interrupt request is set'],
  [0x21, 'interrupt-index-out-of-range', 0, 'the interrupt index is beyond the interrupt remapping table'],
  [0x22, 'interrupt-entry-not-present', QUALIFIED, 'the interrupt remapping entry is not present'],
  [0x23, 'interrupt-table-unreachable', 0, 'the interrupt remapping table cannot be read'],
  [0x24, 'interrupt-entry-reserved', QUALIFIED, 'a reserved bit of the interrupt remapping entry is set'],
  [0x25, 'compatibility-interrupt-blocked', 0, 'interrupts in compatibility format are blocked'],
  [0x26, 'interrupt-source-not-permitted', QUALIFIED, 'the interrupt remapping entry does not permit this source'],
  [0x31, 'translation-mode-blocks-request', 0, 'the translation mode of the root table blocks such requests'],
  [0x46, 'pasid-out-of-range', QUALIFIED, 'the PASID is beyond the PASID table'],
  [0x47, 'page-requests-disabled', QUALIFIED, 'the context entry does not enable page requests'],
  [0x50, 'pasid-directory-unreachable', 0, 'the PASID directory cannot be read'],
  [0x51, 'pasid-directory-entry-not-present', QUALIFIED | RECOVERABLE, 'the PASID directory entry is not present'],
  [0x58, 'pasid-table-unreachable', 0, 'the PASID table cannot be read'],
  [0x59, 'pasid-entry-not-present', QUALIFIED | RECOVERABLE, 'the PASID entry is not present'],
  [0x5b, 'pasid-entry-invalid', QUALIFIED, 'the PASID entry asks for what is not supported'],
  [0x70, 'first-stage-table-unreachable', QUALIFIED | RECOVERABLE, 'a first-stage table cannot be read'],
  [0x71, 'first-stage-not-present', QUALIFIED | RECOVERABLE, 'a first-stage entry is not present'],
  [0x72, 'first-stage-reserved', QUALIFIED | RECOVERABLE, 'a reserved bit of a first-stage entry is set'],
  [0x73, 'first-stage-root-unreachable', QUALIFIED | RECOVERABLE, 'the top first-stage table cannot be read'],
  [0x74, 'address-beyond-width', QUALIFIED | RECOVERABLE, 'the first stage leads beyond what the second stage spans'],
  [0x75, 'first-stage-root-unreachable', QUALIFIED | RECOVERABLE, 'the second stage hides the top first-stage table'],
  [0x76, 'first-stage-table-unreachable', QUALIFIED | RECOVERABLE, 'the second stage hides a first-stage table'],
  [
    0x77,
    'accessed-dirty-write-failed',
    QUALIFIED | RECOVERABLE,
    'a first-stage table is read-only in the second stage',
  ],
  [0x79, 'not-mapped', QUALIFIED | RECOVERABLE, 'the second stage does not map the page for this access'],
  [0x80, 'address-not-canonical', QUALIFIED | RECOVERABLE, 'the address is not canonical'],
  [0x81, 'supervisor-page', QUALIFIED | RECOVERABLE, 'a first-stage entry is for the supervisor only'],
  [0x82, 'execute-not-permitted', QUALIFIED | RECOVERABLE, 'the first stage does not permit instruction fetches'],
  [0x85, 'first-stage-write-not-permitted', QUALIFIED | RECOVERABLE, 'the first stage does not permit writes'],
  [0x87, 'output-in-interrupt-range', QUALIFIED, 'the translated address lies in the interrupt range'],
  [0x91, 'accessed-dirty-write-failed', QUALIFIED, 'the accessed or dirty bit of an entry cannot be written'],
];

/** Every fault reason that the model knows, by ascending code. */
export const FAULT_REASONS: readonly FaultReason[] = TABLE.map(([code, reason, flags, description]) => ({
  code,
  reason,
  description,
  qualified: (flags & QUALIFIED) !== 0,
  recoverable: (flags & RECOVERABLE) !== 0,
}));

const byCode = new Map(FAULT_REASONS.map((fault) => [fault.code, fault]));

/** @throws Error (a bug of the caller) for a code that is not in the table */
export function faultReason(code: number): FaultReason {
  const fault = byCode.get(code);
  if (fault === undefined) throw new Error(`fault reason ${hex(code)} is not in the table`);
  return fault;
}

/** The fault as a transaction's result carries it, with a full sentence for the user. */
export function translationFault(code: number, access: Access, address: bigint, pasid?: number): TranslationFault {
  const { reason, description } = faultReason(code);
  const verb = access === 'none' ? 'lookup' : access;
  const space = pasid === undefined ? '' : ` with PASID ${pasid}`;
  const number = code === 0 ? '' : ` (fault ${hex(code)})`;
  return {
    code,
    reason,
    sentence: `The ${verb} at address ${hex(address)}${space} faulted: ${description}${number}`,
  };
}
