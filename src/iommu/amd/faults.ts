import { hex } from '../../core/address.ts';
import type { Access, TranslationFault } from '../../memory/access.ts';
import type { FaultCode } from '../faults.ts';

/** Event codes (AMD-Vi, section 2.5), as bits 63:60 of the first word of an event. */
export const EventCode = {
  illegalDeviceTableEntry: 1,
  pageFault: 2,
  deviceTableHardwareError: 3,
  pageTableHardwareError: 4,
  illegalCommand: 5,
  commandHardwareError: 6,
} as const;

/** Why requests and commands fail; 0 stands for what is blocked without an event. */
export const AMD_FAULTS: readonly FaultCode[] = [
  { code: 0, reason: 'translation-not-valid', description: 'the device table entry lets no request pass' },
  { code: 1, reason: 'device-table-entry-reserved', description: 'the device table entry is illegal' },
  { code: 2, reason: 'not-mapped', description: 'the page tables do not map the page for this access' },
  { code: 3, reason: 'device-table-unreachable', description: 'the device table cannot be read' },
  { code: 4, reason: 'second-stage-table-unreachable', description: 'a page table cannot be read' },
  { code: 5, reason: 'command-illegal', description: 'a command is illegal' },
  { code: 6, reason: 'command-buffer-unreachable', description: 'the command buffer cannot be read' },
];

/** @throws Error (a bug of the caller) for a code that is not in the table */
export function amdFault(code: number): FaultCode {
  const fault = AMD_FAULTS[code];
  if (fault === undefined) throw new Error(`event code ${hex(code)} is not in the table`);
  return fault;
}

/** The fault as a transaction's result carries it, with a full sentence for the user. */
export function amdTranslationFault(code: number, access: Access, address: bigint): TranslationFault {
  const { reason, description } = amdFault(code);
  const verb = access === 'none' ? 'lookup' : access;
  const event = code === 0 ? '' : ` (event ${hex(code)})`;
  return { code, reason, sentence: `The ${verb} at address ${hex(address)} faulted: ${description}${event}` };
}
