import { capabilityRegister, extendedCapabilityRegister } from './capabilities.ts';
import type { RegisterDefinition } from '../register-file.ts';
import type { IntelProperties } from './properties.ts';

/** Where the unit's registers lie in guest-physical memory, and how many bytes they take. */
export const REGISTERS_BASE = 0xfed9_0000n;
export const REGISTERS_SIZE = 0x230;

/** Offsets of the registers that act, in bytes (VT-d, section 11.4). */
export const Offset = {
  GCMD: 0x18,
  GSTS: 0x1c,
  RTADDR: 0x20,
  CCMD: 0x28,
  FSTS: 0x34,
  FECTL: 0x38,
  FEDATA: 0x3c,
  FEADDR: 0x40,
  FEUADDR: 0x44,
  IQH: 0x80,
  IQT: 0x88,
  IQA: 0x90,
  ICS: 0x9c,
  IECTL: 0xa0,
  IEDATA: 0xa4,
  IEADDR: 0xa8,
  IEUADDR: 0xac,
  IRTA: 0xb8,
  PQH: 0xc0,
  PQT: 0xc8,
  PQA: 0xd0,
  PRS: 0xdc,
  PECTL: 0xe0,
  PEDATA: 0xe4,
  PEADDR: 0xe8,
  PEUADDR: 0xec,
  IVA: 0xf0,
  IOTLB: 0xf8,
  FRCD: 0x220,
  FRCD_HIGH: 0x228,
} as const;

interface Masks {
  reset?: bigint;
  writable?: bigint;
  writeOneToClear?: bigint;
  writeOnly?: bigint;
}

const ALL = 0xffff_ffff_ffff_ffffn;

function register(name: string, offset: number, width: 4 | 8, masks: Masks = {}): RegisterDefinition {
  return { name, offset, width, reset: 0n, writable: 0n, writeOneToClear: 0n, writeOnly: 0n, ...masks };
}

/** An event's control, data and address registers, from the control register on. */
function eventRegisters(
  prefix: 'FE' | 'IE' | 'PE',
  offset: number,
  masks: { control: bigint; data: bigint; upper: bigint },
): RegisterDefinition[] {
  return [
    register(`${prefix}CTL`, offset, 4, { reset: masks.control, writable: 0x8000_0000n }),
    register(`${prefix}DATA`, offset + 4, 4, { writable: masks.data }),
    register(`${prefix}ADDR`, offset + 8, 4, { writable: 0xffff_fffcn }),
    register(`${prefix}UADDR`, offset + 12, 4, { writable: masks.upper }),
  ];
}

/**
 * All registers in the order of their offsets, as QEMU 11.1.3 has them.
 *
 * `strict-spec` has the specification's reading of: FEUADDR and IEUADDR (writable with extended interrupt mode; QEMU:
 * never), IQA.DW (reserved without scalable mode; QEMU: always writable, and ignored), PECTL (masked after reset; QEMU: 0).
 */
export function registerDefinitions(properties: IntelProperties): readonly RegisterDefinition[] {
  const { extendedInterruptMode, scalableMode, strictSpec, svm } = properties;
  const upper = strictSpec && extendedInterruptMode ? 0xffff_ffffn : 0n;
  const width = strictSpec && !scalableMode ? 0n : 0x800n;
  const withPageRequests = (masks: Masks): Masks => (svm ? masks : {});
  return [
    register('VER', 0x00, 4, { reset: 0x10n }),
    register('CAP', 0x08, 8, { reset: capabilityRegister(properties) }),
    register('ECAP', 0x10, 8, { reset: extendedCapabilityRegister(properties) }),
    register('GCMD', Offset.GCMD, 4, { writable: 0xff80_0000n, writeOnly: 0xff80_0000n }),
    register('GSTS', Offset.GSTS, 4),
    register('RTADDR', Offset.RTADDR, 8, { writable: ALL & ~0x3ffn }),
    register('CCMD', Offset.CCMD, 8, { writable: 0xe000_0003_ffff_ffffn, writeOnly: 0x3_ffff_0000n }),
    register('FSTS', Offset.FSTS, 4, { writeOneToClear: 0x11n }),
    ...eventRegisters('FE', Offset.FECTL, { control: 0x8000_0000n, data: 0xffffn, upper }),
    register('AFLOG', 0x58, 8),
    register('PMEN', 0x64, 4),
    register('PLMBASE', 0x68, 4),
    register('PLMLIMIT', 0x6c, 4),
    register('PHMBASE', 0x70, 8),
    register('PHMLIMIT', 0x78, 8),
    register('IQH', Offset.IQH, 8),
    register('IQT', Offset.IQT, 8, { writable: 0x7_fff0n }),
    register('IQA', Offset.IQA, 8, { writable: (ALL & ~0xfffn) | width | 7n }),
    register('ICS', Offset.ICS, 4, { writeOneToClear: 1n }),
    ...eventRegisters('IE', Offset.IECTL, { control: 0x8000_0000n, data: 0xffff_ffffn, upper }),
    register('IRTA', Offset.IRTA, 8, { writable: (ALL & ~0xfffn) | 0x80fn }),
    register('PQH', Offset.PQH, 8, withPageRequests({ writable: 0x7_ffe0n })),
    register('PQT', Offset.PQT, 8, withPageRequests({ writable: 0x7_ffe0n })),
    register('PQA', Offset.PQA, 8, withPageRequests({ writable: (ALL & ~0xfffn) | 7n })),
    register('PRS', Offset.PRS, 4, withPageRequests({ writeOneToClear: 3n })),
    ...(svm
      ? eventRegisters('PE', Offset.PECTL, {
          control: strictSpec ? 0x8000_0000n : 0n,
          data: 0xffffn,
          upper: 0xffff_ffffn,
        })
      : (['PECTL', 'PEDATA', 'PEADDR', 'PEUADDR'] as const).map((name, at) =>
          register(name, Offset.PECTL + 4 * at, 4),
        )),
    register('IVA', Offset.IVA, 8, { writable: (ALL & ~0xfffn) | 0x7fn, writeOnly: ALL }),
    register('IOTLB', Offset.IOTLB, 8, { writable: 0xb003_ffff_0000_0000n }),
    register('FRCD', Offset.FRCD, 8),
    register('FRCD_HIGH', Offset.FRCD_HIGH, 8, { writeOneToClear: 1n << 63n }),
  ];
}
