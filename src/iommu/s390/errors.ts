import { hex } from '../../core/address.ts';
import { type Access, Permission, type TranslationFault } from '../../memory/access.ts';
import type { FaultCode } from '../faults.ts';

/** Codes of error events that translation can meet (PEC, program event codes of zPCI), and 0 for requests let in by nothing. */
export const ErrorCode = {
  none: 0,
  /** No address space is registered: the anchor is 0. */
  invalidAddressSpace: 0x1,
  outOfRange: 0x2,
  protection: 0x4,
  invalidEntry: 0x7,
  invalidLength: 0x8,
  invalidType: 0x9,
} as const;

/** Every code that the model can raise, by ascending code. */
export const ERRORS: readonly FaultCode[] = [
  { code: 0x0, reason: 'function-not-translating', description: 'the function is not enabled for DMA, or in error' },
  { code: 0x1, reason: 'address-space-invalid', description: 'no address space is registered for the function' },
  { code: 0x2, reason: 'address-out-of-range', description: 'the address is outside the registered range' },
  { code: 0x4, reason: 'translation-protection', description: 'no refreshed translation allows the access' },
  { code: 0x7, reason: 'table-entry-invalid', description: 'a table entry is zero or cannot be read' },
  { code: 0x8, reason: 'table-length-invalid', description: 'a region entry does not lead to a whole segment table' },
  { code: 0x9, reason: 'table-type-invalid', description: 'an entry is of another table type, or leads to address 0' },
];

const byCode = new Map(ERRORS.map((error) => [error.code, error]));

/** @throws Error (a bug of the caller) for a code that is not in the table */
export function errorOf(code: number): FaultCode {
  const error = byCode.get(code);
  if (error === undefined) throw new Error(`zPCI error ${hex(code)} is not in the table`);
  return error;
}

/** The fault as a transaction's result carries it; `detail` goes on behind the description. */
export function errorFault(code: number, access: Access, address: bigint, detail = ''): TranslationFault {
  const { reason, description } = errorOf(code);
  const verb = access === 'none' ? 'lookup' : access;
  const number = code === 0 ? '' : ` (error event ${hex(code)})`;
  return { code, reason, sentence: `The ${verb} at address ${hex(address)} faulted: ${description}${detail}${number}` };
}

/** What an access has to be allowed; nothing for a lookup. */
export function rightFor(access: Access): number {
  if (access === 'none') return Permission.none;
  return access === 'write' ? Permission.write : Permission.read;
}
