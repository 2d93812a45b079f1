import { hex } from '../../core/address.ts';
import type { Access, TranslationFault } from '../../memory/access.ts';

/** Why a request does not pass. */
export type TceFaultName =
  | 'pasid-not-supported'
  | 'outside-dma-windows'
  | 'not-mapped'
  | 'read-not-permitted'
  | 'write-not-permitted';

/** PAPR numbers no reasons, and reports none to the guest: the codes are this daemon's own. */
export const TCE_FAULTS: Readonly<Record<TceFaultName, { readonly code: number; readonly description: string }>> = {
  'pasid-not-supported': { code: 0, description: 'TCE tables know no PASIDs' },
  'outside-dma-windows': { code: 1, description: 'the address lies in no DMA window of the device' },
  'not-mapped': { code: 2, description: 'the TCE allows neither reads nor writes' },
  'read-not-permitted': { code: 3, description: 'the TCE does not permit reads' },
  'write-not-permitted': { code: 4, description: 'the TCE does not permit writes' },
};

/** Why a TCE that lacks the right for `access` refuses it. */
export function missingRight(permissions: number, access: Access): TceFaultName {
  if (permissions === 0) return 'not-mapped';
  return access === 'write' ? 'write-not-permitted' : 'read-not-permitted';
}

/** The fault as a transaction's result carries it, with a full sentence for the user. */
export function tceFault(reason: TceFaultName, access: Access, address: bigint): Required<TranslationFault> {
  const { code, description } = TCE_FAULTS[reason];
  const verb = access === 'none' ? 'lookup' : access;
  return { code, reason, sentence: `The ${verb} at address ${hex(address)} faulted: ${description}` };
}
