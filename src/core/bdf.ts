/**
 * PCI function addresses: segment (domain), bus, device (slot) and function.
 * Text form `dddd:bb:dd.f` in hexadecimal; the segment may be left out in input and is then 0.
 */
export interface Bdf {
  /** 0 to 0xffff. */
  readonly segment: number;
  /** 0 to 0xff. */
  readonly bus: number;
  /** 0 to 0x1f. */
  readonly device: number;
  /** 0 to 7. */
  readonly function: number;
}

const pattern = /^(?:([0-9a-f]{1,4}):)?([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-7])$/i;

/** Reads `0000:3b:00.0` or `3b:00.0`; null when the text is no such address or the device number is above 0x1f. */
export function parseBdf(text: string): Bdf | null {
  const match = pattern.exec(text);
  if (match === null) return null;
  const device = Number.parseInt(match[3]!, 16);
  if (device > 0x1f) return null;
  return {
    segment: Number.parseInt(match[1] ?? '0', 16),
    bus: Number.parseInt(match[2]!, 16),
    device,
    function: Number.parseInt(match[4]!, 16),
  };
}

const digits = (value: number, width: number): string => value.toString(16).padStart(width, '0');

/** The long form, `0000:3b:00.0`. */
export function formatBdf(bdf: Bdf): string {
  return `${digits(bdf.segment, 4)}:${formatShortBdf(bdf)}`;
}

/** The form without the segment, `3b:00.0`. */
export function formatShortBdf(bdf: Bdf): string {
  return `${digits(bdf.bus, 2)}:${digits(bdf.device, 2)}.${bdf.function}`;
}

/** Device and function as the one byte that configuration space and context tables are indexed by. */
export function devfnOf(device: number, fn: number): number {
  return (device << 3) | fn;
}

/** Bus, device and function as the 16-bit source-id of a transaction. */
export function sourceId(bdf: Bdf): number {
  return (bdf.bus << 8) | devfnOf(bdf.device, bdf.function);
}
