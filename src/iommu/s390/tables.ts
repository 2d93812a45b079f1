import { bits, type EntryLayout, layout, pointer } from '../entry-layout.ts';
import type { TableShape } from '../listed-tables.ts';

/**
 * DMA translation of PCI functions on s390, as Linux sets it up and QEMU reads it: a region-third table, segment tables
 * and page tables, of big-endian entries of 8 bytes.
 */

/** First address of the DMA space of a function (SDMA). */
export const FIRST_DMA_ADDRESS = 0x1_0000_0000n;
/** Last address of the DMA space of a function (EDMA), inclusive. */
export const LAST_DMA_ADDRESS = 0x1ff_ffff_ffff_ffffn;
/** What the three tables span: addresses repeat above. */
export const TABLE_BITS = 42;

/** I/O translation anchor: what it says beside the origin of the top table. */
export const Anchor = {
  /** T: there are tables. */
  translates: 0x800n,
  protected: 0x200n,
  /** The bits that are not the origin. */
  flags: 0xfffn,
  /** Designation type that QEMU takes: the origin is that of a region-third table. */
  regionThird: 1n,
} as const;

/** Designation type of an anchor, 3 bits. */
export function designationOf(anchor: bigint): bigint {
  return (anchor >> 2n) & 7n;
}

/** Levels as listings count them; 1 is the lowest. */
export const Level = { page: 1, segment: 2, region: 3 } as const;

/** Bits of an entry's low half. */
export const EntryBit = {
  /** Of a region or segment entry: nothing is behind it. */
  invalid: 0x20,
  /** Of a page entry. */
  pageInvalid: 0x400,
  /** Of a segment entry: it leads to a frame of 1 MiB. */
  frame: 0x400,
  protected: 0x200,
  /** Table type of a region or segment entry. */
  type: 0xc,
  regionType: 0x4,
  segmentType: 0x0,
  /** A region entry's table must be whole: length 3, offset 0. */
  length: 0x3,
  offset: 0xc0,
} as const;

const SHIFTS = [0, 12, 20, 31];
const ENTRIES = [0, 256, 2048, 2048];

export const SHAPE: TableShape = {
  entries: (level) => ENTRIES[level]!,
  shift: (level) => SHIFTS[level]!,
};

const SPEC = 'zPCI: I/O address translation (arch/s390/include/asm/pci_dma.h)';

export const REGION_ENTRY: EntryLayout = layout('region-third-table-entry', SPEC, 8, {
  length: bits(0, 1),
  type: bits(2, 3),
  invalid: bits(5),
  offset: bits(6, 7),
  protected: bits(9),
  'segment-table': pointer(14, 63),
});

export const SEGMENT_ENTRY: EntryLayout = layout('segment-table-entry', SPEC, 8, {
  type: bits(2, 3),
  invalid: bits(5),
  protected: bits(9),
  frame: bits(10),
  'page-table': pointer(11, 63),
});

export const FRAME_ENTRY: EntryLayout = layout('segment-table-entry', SPEC, 8, {
  type: bits(2, 3),
  invalid: bits(5),
  protected: bits(9),
  frame: bits(10),
  address: pointer(20, 63),
});

export const PAGE_ENTRY: EntryLayout = layout('page-table-entry', SPEC, 8, {
  protected: bits(9),
  invalid: bits(10),
  address: pointer(12, 63),
});
