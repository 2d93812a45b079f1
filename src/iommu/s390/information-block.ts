/** Function information block (FIB) in bytes: the operand of MPCIFC and STPCIFC, big-endian. */
export const FIB_SIZE = 80;

/** Bits of the function controls that STPCIFC stores. */
export const FibControl = { enabled: 0x80, error: 0x40, blocked: 0x20, registered: 0x10 } as const;

export interface InformationBlock {
  /** 0 is the only format. */
  readonly format: number;
  readonly controls: number;
  /** PBA, PAL, IOTA: first and last address, and the anchor of the tables. */
  readonly base: bigint;
  readonly limit: bigint;
  readonly anchor: bigint;
  /** Interruption parameters: ISC 30:28, number 27:16, AIBVO 13:8, SUM 7, AISBO 5:0. */
  readonly interrupts: number;
  /** Addresses of the adapter interruption bit vector and summary bit. */
  readonly bitVector: bigint;
  readonly summary: bigint;
  /** Function measurement block and its key. */
  readonly measurement: bigint;
}

export const EMPTY_BLOCK: InformationBlock = {
  format: 0,
  controls: 0,
  base: 0n,
  limit: 0n,
  anchor: 0n,
  interrupts: 0,
  bitVector: 0n,
  summary: 0n,
  measurement: 0n,
};

export function decodeBlock(bytes: Uint8Array): InformationBlock {
  const view = new DataView(bytes.buffer, bytes.byteOffset, FIB_SIZE);
  return {
    format: view.getUint8(0),
    controls: view.getUint8(8),
    base: view.getBigUint64(16),
    limit: view.getBigUint64(24),
    anchor: view.getBigUint64(32),
    interrupts: view.getUint32(40),
    bitVector: view.getBigUint64(48),
    summary: view.getBigUint64(56),
    measurement: view.getBigUint64(64),
  };
}

export function encodeBlock(block: InformationBlock): Uint8Array {
  const bytes = new Uint8Array(FIB_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, block.format);
  view.setUint8(8, block.controls);
  view.setBigUint64(16, block.base);
  view.setBigUint64(24, block.limit);
  view.setBigUint64(32, block.anchor);
  view.setUint32(40, block.interrupts);
  view.setBigUint64(48, block.bitVector);
  view.setBigUint64(56, block.summary);
  view.setBigUint64(64, block.measurement);
  return bytes;
}
