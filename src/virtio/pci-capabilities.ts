import type { PciCapability } from '../pci/capabilities.ts';

/** Which registers a capability leads to (Virtio 1.2, section 4.1.4). */
const ConfigType = { common: 1, notify: 2, isr: 3, device: 4, window: 5 } as const;

/** The BAR in which all registers lie, and its size. */
export const REGISTERS_BAR = 4;
export const REGISTERS_SIZE = 0x4000;

/** Where each kind of registers lies in it, a page each. */
export const RegisterOffset = { common: 0x0000, isr: 0x1000, device: 0x2000, notify: 0x3000 } as const;
export const REGISTERS_PAGE = 0x1000;

/** Bytes between the notification registers of neighbouring queues. */
export const NOTIFY_MULTIPLIER = 4;

/** Offsets in the capability of the window: which BAR, where, how many bytes, and the data. */
export const WindowField = { bar: 4, offset: 8, length: 12, data: 16 } as const;

/** MSI-X of QEMU's devices: table and pending bits have BAR 1 for themselves. */
export const MSIX_BAR = 1;
export const MSIX_SIZE = 0x1000;
const MSIX_PENDING = 0x800;

const VENDOR_SPECIFIC = 0x09;
const POWER_MANAGEMENT = 0x01;

/** Where QEMU 7.2 puts them: one of an endpoint of PCI Express has the capabilities of that in front. */
export function capabilityPlaces(express: boolean): { common: number; window: number; msix: number } {
  const common = express ? 0x84 : 0x40;
  return { common, window: common + 0x44, msix: common + 0x58 };
}

/** In the order in which they are linked: QEMU puts each in front of the ones before. */
export function virtioCapabilities({
  express,
  vectors,
}: {
  readonly express: boolean;
  readonly vectors: number;
}): PciCapability[] {
  const { common, window, msix } = capabilityPlaces(express);
  return [
    ...(vectors > 0
      ? [{ kind: 'msix', at: msix, vectors, bar: MSIX_BAR, table: 0, pending: MSIX_PENDING } as const]
      : []),
    registers(window, ConfigType.window, 0, 0, 0, {
      bytes: '00000000',
      writable: `${'00'.repeat(2)} ff000000 ffffffff ffffffff ffffffff`,
    }),
    registers(common + 0x30, ConfigType.notify, REGISTERS_BAR, RegisterOffset.notify, REGISTERS_PAGE, {
      bytes: littleEndian(NOTIFY_MULTIPLIER),
    }),
    registers(common + 0x20, ConfigType.device, REGISTERS_BAR, RegisterOffset.device, REGISTERS_PAGE),
    registers(common + 0x10, ConfigType.isr, REGISTERS_BAR, RegisterOffset.isr, REGISTERS_PAGE),
    registers(common, ConfigType.common, REGISTERS_BAR, RegisterOffset.common, REGISTERS_PAGE),
    ...(express
      ? [
          { kind: 'plain', at: 0x7c, id: POWER_MANAGEMENT, bytes: '0300 00000000', writable: '0000 0380' } as const,
          { kind: 'express', at: 0x40, port: 'endpoint' } as const,
        ]
      : []),
  ];
}

/** Section 4.1.4: length, kind, BAR, 3 bytes of padding, offset and length of the registers, then `extra`. */
function registers(
  at: number,
  type: number,
  bar: number,
  offset: number,
  length: number,
  extra: { bytes: string; writable?: string } = { bytes: '' },
): PciCapability {
  const size = 16 + extra.bytes.length / 2;
  const head = [size, type, bar, 0, 0, 0].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return {
    kind: 'plain',
    at,
    id: VENDOR_SPECIFIC,
    bytes: head + littleEndian(offset) + littleEndian(length) + extra.bytes,
    ...(extra.writable !== undefined && { writable: extra.writable }),
  };
}

function littleEndian(value: number): string {
  return [0, 8, 16, 24].map((shift) => ((value >>> shift) & 0xff).toString(16).padStart(2, '0')).join('');
}
