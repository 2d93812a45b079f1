import { bits, layout, pointer } from '../entry-layout.ts';

/** The structures in guest memory that VT-d hardware reads, with their sections in the specification. */

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
