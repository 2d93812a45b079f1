import { ADDRESS_LAST } from '../../core/address.ts';
import { PROBE_SIZE, RESERVED_LENGTH, RESERVED_PROPERTY, ReservedKind } from './protocol.ts';

/** Addresses that a guest must not map: `start` and `last` inclusive. Those of MSI lead to the interrupt controller. */
export interface ReservedRegion {
  readonly start: bigint;
  readonly last: bigint;
  readonly kind: keyof typeof ReservedKind;
}

/** Where interrupts are written to on x86: what a PC gives its virtio-iommu. */
export const X86_MSI_REGION: ReservedRegion = { start: 0xfee0_0000n, last: 0xfeef_ffffn, kind: 'msi' };

/** What a host whose IOMMU takes addresses of so many bits cannot map, beside what is reserved anyway. */
export function hostRegions(own: readonly ReservedRegion[], addressBits: number): ReservedRegion[] {
  if (addressBits >= 64) return [];
  const gap: ReservedRegion = { start: 1n << BigInt(addressBits), last: ADDRESS_LAST, kind: 'reserved' };
  return without(gap, own);
}

/** The properties that a probe of an endpoint with these regions gives, padded with zeros. */
export function probeProperties(regions: readonly ReservedRegion[]): Uint8Array {
  const bytes = new Uint8Array(PROBE_SIZE);
  const view = new DataView(bytes.buffer);
  const size = 4 + RESERVED_LENGTH;
  regions.slice(0, Math.floor(PROBE_SIZE / size)).forEach(({ start, last, kind }, index) => {
    const at = index * size;
    view.setUint16(at, RESERVED_PROPERTY, true);
    view.setUint16(at + 2, RESERVED_LENGTH, true);
    view.setUint8(at + 4, ReservedKind[kind]);
    view.setBigUint64(at + 8, start, true);
    view.setBigUint64(at + 16, last, true);
  });
  return bytes;
}

/** What the properties of a probe tell. */
export function probedRegions(properties: Uint8Array): ReservedRegion[] {
  const view = new DataView(properties.buffer, properties.byteOffset, properties.byteLength);
  const regions: ReservedRegion[] = [];
  for (let at = 0; at + 4 + RESERVED_LENGTH <= properties.length; at += 4 + view.getUint16(at + 2, true)) {
    const type = view.getUint16(at, true);
    if (type === 0) break;
    if (type !== RESERVED_PROPERTY) continue;
    const kind = view.getUint8(at + 4) === ReservedKind.msi ? 'msi' : 'reserved';
    regions.push({ start: view.getBigUint64(at + 8, true), last: view.getBigUint64(at + 16, true), kind });
  }
  return regions;
}

/** The parts of a region that are in no other. */
function without(region: ReservedRegion, others: readonly ReservedRegion[]): ReservedRegion[] {
  let parts = [region];
  for (const { start, last } of others) {
    parts = parts.flatMap((part) => {
      if (last < part.start || start > part.last) return [part];
      return [
        { ...part, last: start - 1n },
        { ...part, start: last + 1n },
      ].filter((rest) => rest.start <= rest.last);
    });
  }
  return parts;
}
