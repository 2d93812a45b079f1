import { CommandError } from '../core/errors.ts';
import type { ObjectEvent, ObjectListener } from '../memory/iommu-object.ts';

/** What a device's listener at its IOMMU object is to VFIO, whatever the contract with the host. */
export interface GuestListener extends ObjectListener {
  register(): void;
  /** A table that is still bound is unbound on the way. */
  unregister(): void;
}

/** What such a listener hears. */
export const GUEST_EVENTS: readonly ObjectEvent[] = ['bind', 'unbind', 'flush-iotlb', 'flush-pasid-cache'];

/** The refusal of a bind while the host maps I/O-virtual addresses for the device. */
export function refuseShadowed(device: string): CommandError {
  return new CommandError(
    `Device '${device}' is translated by its vIOMMU, so the host maps I/O-virtual addresses for it and cannot walk a ` +
      'PASID table in guest-physical memory; switch it with iommu-set-bypass, mode bypass, first',
  );
}
