import { Permission, type Permissions } from '../../memory/access.ts';
import { bits, type EntryLayout, layout, pointer } from '../entry-layout.ts';

/**
 * A TCE (translation control entry): what one page of a DMA window leads to (LoPAPR, the TCE mechanism). Pages larger
 * than 4 KiB leave low bits of the page number unused.
 */
export const TCE_LAYOUT: EntryLayout<'read' | 'write' | 'page'> = layout('tce', 'LoPAPR: TCE mechanism', 8, {
  read: bits(0),
  write: bits(1),
  page: pointer(12, 63),
});

/** What a TCE allows; one that allows nothing maps nothing, whatever else it holds. */
export function permissionsOf(tce: bigint): Permissions {
  return Number(tce & BigInt(Permission.readWrite));
}

/** Where the page of a TCE begins, guest-physical. `shift`: log2 of the page's size. */
export function pageOf(tce: bigint, shift: number): bigint {
  return (tce >> BigInt(shift)) << BigInt(shift);
}
