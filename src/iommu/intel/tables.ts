/**
 * The structures in guest memory that VT-d hardware reads, as bit positions with their sections in the specification.
 * An entry is a Uint32Array of its 32-bit words, low word first; bits count from 0 over the whole entry.
 */
export interface BitRange {
  /** First and last bit, inclusive. */
  readonly low: number;
  readonly high: number;
  /** The bits stand where they stand in an address: the value is the address itself. */
  readonly address: boolean;
}

export interface EntryLayout<Name extends string = string> {
  /** As explanations call it. */
  readonly structure: string;
  /** Section of the VT-d specification, revision 4.1; for 2017's flat table of revision 2.5. */
  readonly spec: string;
  /** Size in bytes. */
  readonly bytes: number;
  readonly fields: Readonly<Record<Name, BitRange>>;
}

const bits = (low: number, high = low): BitRange => ({ low, high, address: false });
/** Bits 63:12 (or a part) of a 64-bit word hold the address of a table or page. */
const pointer = (low: number, high: number): BitRange => ({ low, high, address: true });

function layout<Name extends string>(
  structure: string,
  spec: string,
  bytes: number,
  fields: Record<Name, BitRange>,
): EntryLayout<Name> {
  return { structure, spec, bytes, fields };
}

export const ROOT_ENTRY = layout('root-entry', 'VT-d 9.1', 16, { P: bits(0), CTP: pointer(12, 63) });

export const SCALABLE_ROOT_ENTRY = layout('root-entry', 'VT-d 9.2', 16, {
  LP: bits(0),
  LCTP: pointer(12, 63),
  UP: bits(64),
  UCTP: pointer(76, 127),
});

export const CONTEXT_ENTRY = layout('context-entry', 'VT-d 9.3', 16, {
  P: bits(0),
  FPD: bits(1),
  TT: bits(2, 3),
  SSPTPTR: pointer(12, 63),
  AW: bits(64, 66),
  DID: bits(72, 87),
});

export const SCALABLE_CONTEXT_ENTRY = layout('context-entry', 'VT-d 9.4', 32, {
  P: bits(0),
  FPD: bits(1),
  DTE: bits(2),
  PASIDE: bits(3),
  PRE: bits(4),
  PDTS: bits(9, 11),
  PASIDDIRPTR: pointer(12, 63),
  RID_PASID: bits(64, 83),
  RID_PRIV: bits(84),
});

/** The root entry of extended mode is laid out as the scalable one. */
export const ECS_ROOT_ENTRY = layout('root-entry', 'VT-d 2.5, 9.2', 16, SCALABLE_ROOT_ENTRY.fields);

/** The context entry of extended mode, as it was in 2017. */
export const ECS_CONTEXT_ENTRY = layout('context-entry', 'VT-d 2.5, 9.4', 32, {
  P: bits(0),
  FPD: bits(1),
  TT: bits(2, 4),
  DINVE: bits(8),
  PRE: bits(9),
  NESTE: bits(10),
  PASIDE: bits(11),
  SSPTPTR: pointer(12, 63),
  AW: bits(64, 66),
  WPE: bits(69),
  DID: bits(72, 87),
  SMEP: bits(88),
  EAFE: bits(89),
  PTS: bits(128, 131),
  PASIDPTR: pointer(140, 191),
  PASIDSTPTR: pointer(204, 255),
});

export const PASID_DIRECTORY_ENTRY = layout('pasid-directory-entry', 'VT-d 9.5', 8, {
  P: bits(0),
  FPD: bits(1),
  SMPTBLPTR: pointer(12, 63),
});

export const PASID_ENTRY = layout('pasid-table-entry', 'VT-d 9.6', 64, {
  P: bits(0),
  FPD: bits(1),
  AW: bits(2, 4),
  PGTT: bits(6, 8),
  SSADE: bits(9),
  SSPTPTR: pointer(12, 63),
  DID: bits(64, 79),
  PWSNP: bits(87),
  PGSNP: bits(88),
  SRE: bits(128),
  FSPM: bits(130, 131),
  WPE: bits(132),
  EAFE: bits(135),
  FSPTPTR: pointer(140, 191),
});

/** The flat PASID table of extended contexts, as it was in 2017. */
export const ECS_PASID_ENTRY = layout('pasid-table-entry', 'VT-d 2.5, 9.5', 8, {
  P: bits(0),
  FLPM: bits(9, 10),
  SRE: bits(11),
  FLPTPTR: pointer(12, 63),
});

export const FIRST_STAGE_ENTRY = layout('page-table-entry', 'VT-d 9.7', 8, {
  P: bits(0),
  'R/W': bits(1),
  'U/S': bits(2),
  PWT: bits(3),
  PCD: bits(4),
  A: bits(5),
  D: bits(6),
  PS: bits(7),
  G: bits(8),
  EA: bits(10),
  ADDR: pointer(12, 51),
  XD: bits(63),
});

export const SECOND_STAGE_ENTRY = layout('page-table-entry', 'VT-d 9.8', 8, {
  R: bits(0),
  W: bits(1),
  X: bits(2),
  PS: bits(7),
  SNP: bits(11),
  ADDR: pointer(12, 51),
  TM: bits(62),
});

/** TT of a context entry; the last two only in extended mode. */
export const ContextType = {
  secondStage: 0,
  deviceIotlb: 1,
  passThrough: 2,
  passThroughPasid: 4,
  passThroughPasidDeviceIotlb: 5,
} as const;

/** PGTT of a PASID entry. */
export const TranslationType = { firstStage: 1, secondStage: 2, nested: 3, passThrough: 4 } as const;

/** Directory entries cover 64 PASIDs each. */
export const PASIDS_PER_DIRECTORY_ENTRY = 64;

const TWO_TO_32 = 2 ** 32;

/**
 * One field. A pointer comes as an address: its 52 bits and the zeros below are exact in a double, whatever 64-bit
 * value the guest has written.
 */
export function fieldOf<Name extends string>(layout: EntryLayout<Name>, words: Uint32Array, name: Name): number {
  const { low, high, address } = layout.fields[name];
  const value = bitsOf(words, low, high);
  return address ? value * 2 ** (low % 64) : value;
}

/** All fields, in the order of the layout. */
export function decodeEntry(layout: EntryLayout, words: Uint32Array): { name: string; value: bigint }[] {
  return Object.keys(layout.fields).map((name) => ({ name, value: BigInt(fieldOf(layout, words, name)) }));
}

/** Bits `low` to `high` of an entry, at most 53 of them. */
function bitsOf(words: Uint32Array, low: number, high: number): number {
  const first = low >>> 5;
  const last = high >>> 5;
  if (first === last) return (words[first]! << (31 - (high & 31))) >>> (31 - (high & 31) + (low & 31));
  let value = words[last]! & (2 ** ((high & 31) + 1) - 1);
  value = value >>> 0;
  for (let word = last - 1; word > first; word--) value = value * TWO_TO_32 + words[word]!;
  return value * 2 ** (32 - (low & 31)) + (words[first]! >>> (low & 31));
}
