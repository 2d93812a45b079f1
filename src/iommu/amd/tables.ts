import { bits, layout, pointer } from '../entry-layout.ts';

/** The structures in guest memory that AMD's IOMMU reads, with their sections in its specification (48882). */

/** Bits 54:52, 60:55 and 95:80 are those of the guest's first stage, which only units with PASIDs look at. */
export const DEVICE_TABLE_ENTRY = layout('device-table-entry', 'AMD-Vi 2.2.2.1', 32, {
  V: bits(0),
  TV: bits(1),
  MODE: bits(9, 11),
  ROOT: pointer(12, 51),
  GV: bits(55),
  GLX: bits(56, 57),
  'GCR3[14:12]': bits(58, 60),
  IR: bits(61),
  IW: bits(62),
  DOMAIN: bits(64, 79),
  'GCR3[30:15]': bits(80, 95),
  I: bits(96),
  'GCR3[51:31]': bits(107, 127),
  IV: bits(128),
  INTTABLEN: bits(129, 132),
  INTTAB: bits(134, 179),
  INITPASS: bits(184),
  EINTPASS: bits(185),
  NMIPASS: bits(186),
  INTCTL: bits(188, 189),
});

/** An entry of the host's page tables, a leaf or not. */
export const PAGE_TABLE_ENTRY = layout('page-table-entry', 'AMD-Vi 2.2.3', 8, {
  PR: bits(0),
  NEXTLEVEL: bits(9, 11),
  ADDR: pointer(12, 51),
  U: bits(59),
  FC: bits(60),
  IR: bits(61),
  IW: bits(62),
});

/** An entry of a GCR3 table of any level: the table below, or the guest's CR3. */
export const GCR3_ENTRY = layout('gcr3-table-entry', 'AMD-Vi 2.2.6.3', 8, {
  V: bits(0),
  ADDR: pointer(12, 51),
});

/** An entry of the guest's page tables, in the processor's format. */
export const GUEST_PAGE_TABLE_ENTRY = layout('page-table-entry', 'AMD-Vi 2.2.6.4', 8, {
  P: bits(0),
  'R/W': bits(1),
  'U/S': bits(2),
  PWT: bits(3),
  PCD: bits(4),
  A: bits(5),
  D: bits(6),
  PS: bits(7),
  G: bits(8),
  ADDR: pointer(12, 51),
  NX: bits(63),
});

/** MODE of a device table entry: no page tables, and the value that no tables have. */
export const MODE_NONE = 0;
export const MODE_RESERVED = 7;

/** NEXTLEVEL: a page of the size of its level, and one whose size its address encodes. */
export const NEXT_LEVEL_PAGE = 0;
export const NEXT_LEVEL_SIZED_PAGE = 7;

/** Bits 62:61 of an entry's high half as permission bits. */
export function rightsOf(high: number): number {
  return (high >>> 29) & 3;
}

/** Bits 51:12 as a number of 4 KiB. */
export function frameOf(low: number, high: number): number {
  return (high & 0xf_ffff) * 0x10_0000 + (low >>> 12);
}

/** Log2 of the size that the address of an entry with next level 7 encodes: one more than its lowest bit of 0 from 12 on. */
export function encodedShift(low: number, high: number): number {
  const zeroBelow = ~(low | 0xfff) >>> 0;
  const zeroAbove = ~high >>> 0;
  const first = zeroBelow !== 0 ? lowestBit(zeroBelow) : zeroAbove !== 0 ? 32 + lowestBit(zeroAbove) : 62;
  return Math.min(first + 1, 63);
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
