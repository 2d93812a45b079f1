import { hex } from '../../core/address.ts';
import type { Access, TranslationFault } from '../../memory/access.ts';
import { FaultCode, FaultFlag } from './protocol.ts';

/** Why a request does not pass: several share a reason in the report to the guest. */
export type IommuFaultName =
  | 'unknown-endpoint'
  | 'endpoint-not-attached'
  | 'reserved-region'
  | 'not-mapped'
  | 'read-not-permitted'
  | 'write-not-permitted';

interface FaultMeaning {
  /** As the report names it (Virtio 1.2, section 5.13.6.9). */
  readonly code: number;
  readonly flags: number;
  readonly description: string;
}

export const IOMMU_FAULTS: Readonly<Record<IommuFaultName, FaultMeaning>> = {
  'unknown-endpoint': {
    code: FaultCode.unknown,
    flags: FaultFlag.address,
    description: 'the endpoint was never attached to a domain, and nothing passes by',
  },
  'endpoint-not-attached': {
    code: FaultCode.domain,
    flags: FaultFlag.address,
    description: 'the endpoint is attached to no domain, and nothing passes by',
  },
  'reserved-region': {
    code: FaultCode.mapping,
    flags: FaultFlag.address,
    description: 'the address lies in a reserved region',
  },
  'not-mapped': {
    code: FaultCode.mapping,
    flags: FaultFlag.address,
    description: 'the domain of the endpoint does not map it',
  },
  'read-not-permitted': {
    code: FaultCode.mapping,
    flags: FaultFlag.address | FaultFlag.read,
    description: 'the mapping does not permit reads',
  },
  'write-not-permitted': {
    code: FaultCode.mapping,
    flags: FaultFlag.address | FaultFlag.write,
    description: 'the mapping does not permit writes',
  },
};

/** The fault as a transaction's result carries it, with a full sentence for the user. */
export function iommuFault(name: IommuFaultName, access: Access, address: bigint): TranslationFault {
  const { code, description } = IOMMU_FAULTS[name];
  const verb = access === 'none' ? 'lookup' : access;
  return {
    code,
    reason: name,
    sentence: `The ${verb} at address ${hex(address)} faulted: ${description} (fault ${hex(code)})`,
  };
}
