import { CommandError } from '../core/errors.ts';
import type { ObjectListener } from '../memory/iommu-object.ts';

/** Carries what the vIOMMU says about one device to the host, as the contract with it has it. */
export type GuestCarrier = Required<ObjectListener>;

/** The refusal of a bind while the host maps I/O-virtual addresses for the device. */
export function refuseShadowed(device: string): CommandError {
  return new CommandError(
    `Device '${device}' is translated by its vIOMMU, so the host maps I/O-virtual addresses for it and cannot walk a ` +
      'PASID table in guest-physical memory; switch it with iommu-set-bypass, mode bypass, first',
  );
}
