import { ADDRESS_LAST, ADDRESS_SPACE_SIZE, hex } from '../core/address.ts';
import { Permission, permits } from './access.ts';
import type { Access, Permissions, TransactionAttributes, TranslationFault } from './access.ts';
import type { AddressSpace } from './address-space.ts';
import { isIommuRegion } from './iommu-region.ts';
import type { MemoryRegion } from './region.ts';

/** Where an address of a space leads in the end. */
export interface Resolution {
  /** The space behind the last IOMMU region on the way, or the one that was asked. */
  readonly addressSpace: AddressSpace;
  /** The address in that space. */
  readonly address: bigint;
  /** What answers there; null when nothing does or a translation was refused. */
  readonly region: MemoryRegion | null;
  /** Relative to the region. */
  readonly offset: bigint;
  /** How many of the bytes from here on lead on likewise. */
  readonly length: bigint;
  /** Writes are not taken. */
  readonly readonly: boolean;
  /** What all translations on the way allow together; none where nothing answers. */
  readonly permissions: Permissions;
  /** The smallest page on the way, less one; all ones without a translation. */
  readonly mask: bigint;
  /** Why a translation was refused. */
  readonly fault: TranslationFault | null;
}

/** A unit whose target leads back into its own region would translate for ever; real topologies nest two deep. */
const MAX_TRANSLATIONS = 16;
const ALL_RIGHTS = Permission.readWrite | Permission.execute;

/** Follows `address` from `asked` through all IOMMU regions on the way. */
export function resolve(
  asked: AddressSpace,
  address: bigint,
  access: Access,
  attributes: TransactionAttributes,
): Resolution {
  let addressSpace = asked;
  let at = address;
  let length = ADDRESS_SPACE_SIZE;
  let mask = ADDRESS_LAST;
  let permissions: Permissions = ALL_RIGHTS;
  const nothing = (upTo: bigint, fault: TranslationFault | null): Resolution => ({
    addressSpace,
    address: at,
    region: null,
    offset: 0n,
    length: smaller(length, upTo),
    readonly: false,
    permissions: Permission.none,
    mask,
    fault,
  });
  for (let depth = 0; depth < MAX_TRANSLATIONS; depth += 1) {
    const view = addressSpace.flatView;
    const range = view.find(at);
    if (range === null) return nothing(view.gapEnd(at) - at + 1n, null);
    const { region, readonly } = range;
    const offset = at - range.start + range.offsetInRegion;
    length = smaller(length, range.last - at + 1n);
    if (!isIommuRegion(region)) {
      return { addressSpace, address: at, region, offset, length, readonly, permissions, mask, fault: null };
    }
    const entry = region.translate(offset, access, attributes);
    if (!permits(entry.permissions, access)) {
      // The mask of a refused entry says nothing about the neighbours: only this smallest page is known to be bad.
      const { minPageSize, retriesRefused } = region.iommu;
      return nothing(
        retriesRefused === true ? alignedPiece(offset) : minPageSize - (offset % minPageSize),
        entry.fault ?? { sentence: `${region.name} lets no ${access} of ${hex(offset)} pass` },
      );
    }
    const inPage = offset & entry.mask;
    length = smaller(length, entry.mask - inPage + 1n);
    mask &= entry.mask;
    permissions &= entry.permissions;
    addressSpace = entry.target;
    at = (entry.translated & ~entry.mask) | inPage;
  }
  return nothing(length, { sentence: `${asked.name} translates ${hex(address)} in a circle` });
}

/** The largest access of 1, 2 or 4 bytes that is aligned at `offset`. */
function alignedPiece(offset: bigint): bigint {
  if ((offset & 1n) !== 0n) return 1n;
  return (offset & 2n) !== 0n ? 2n : 4n;
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
