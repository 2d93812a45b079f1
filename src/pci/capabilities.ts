import type { ConfigSpace } from './config-space.ts';
import { Register, Status } from './registers.ts';

/** Where a capability lies; without it, behind the others. */
interface Placed {
  readonly at?: number;
}

/** Message signalled interrupts (PCI Local Bus 3.0, section 6.8.1). */
export interface MsiCapability extends Placed {
  readonly kind: 'msi';
  readonly vectors: 1 | 2 | 4 | 8 | 16 | 32;
  /** Message addresses of 64 bits. */
  readonly wide?: boolean;
  /** Each vector can be masked. */
  readonly maskable?: boolean;
}

/** MSI-X (section 6.8.2): its table and its pending bits lie in a BAR. */
export interface MsixCapability extends Placed {
  readonly kind: 'msix';
  /** 1 to 2048. */
  readonly vectors: number;
  readonly bar: number;
  /** Offsets in the BAR, multiples of 8. */
  readonly table: number;
  readonly pending: number;
}

/** PCI Express (PCI Express Base 4.0, section 7.5.3). */
export interface ExpressCapability extends Placed {
  readonly kind: 'express';
  readonly port: 'endpoint' | 'root-port' | 'pci-bridge' | 'integrated';
}

/** Capabilities that only tell something: their bytes behind the pointer to the next one. */
export interface PlainCapability extends Placed {
  readonly kind: 'plain';
  readonly id: number;
  /** Hexadecimal digits, blanks between them do not count. */
  readonly bytes: string;
  /** Likewise, the bits that software can write; short ones end in zeros. */
  readonly writable?: string;
}

/** An extended capability that only tells something: its bytes behind the header. */
export interface PlainExtendedCapability extends Placed {
  readonly kind: 'plain-extended';
  readonly id: number;
  readonly version: number;
  readonly bytes: string;
  readonly writable?: string;
}

/** Address translation services (PCI Express Base 5.0, section 10.5.1). */
export interface AtsCapability extends Placed {
  readonly kind: 'ats';
}

/** Requests with a PASID (section 7.8.8). */
export interface PasidCapability extends Placed {
  readonly kind: 'pasid';
  /** 0 to 20. */
  readonly bits: number;
  readonly execute?: boolean;
  readonly privileged?: boolean;
}

/** Page requests (section 10.5.2). */
export interface PageRequestCapability extends Placed {
  readonly kind: 'page-requests';
  /** How many page requests the function can have open. */
  readonly outstanding: number;
}

export type PciCapability =
  | MsiCapability
  | MsixCapability
  | ExpressCapability
  | PlainCapability
  | PlainExtendedCapability
  | AtsCapability
  | PasidCapability
  | PageRequestCapability;

const Id = { msi: 0x05, express: 0x10, msix: 0x11 } as const;
const ExtendedId = { ats: 0x0f, pageRequests: 0x13, pasid: 0x1b } as const;
const FIRST_CAPABILITY = 0x40;
const FIRST_EXTENDED = 0x100;

/** What is to be put behind the header of a capability: values and writable bits, byte for byte. */
interface Contents {
  readonly id: number;
  /** Of extended capabilities. */
  readonly version?: number;
  readonly bytes: readonly number[];
  readonly writable: readonly number[];
}

function littleEndian(...fields: readonly (readonly [size: number, value: number])[]): number[] {
  return fields.flatMap(([size, value]) => Array.from({ length: size }, (_, index) => (value >>> (8 * index)) & 0xff));
}

function digits(text: string): number[] {
  return Array.from(text.replaceAll(' ', '').match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function msiContents({ vectors, wide = false, maskable = false }: MsiCapability): Contents {
  const control = (Math.log2(vectors) << 1) | (wide ? 0x80 : 0) | (maskable ? 0x100 : 0);
  const mask = vectors === 32 ? 0xffff_ffff : 2 ** vectors - 1;
  const fields: [size: number, value: number, writable: number][] = [
    [2, control, 0x71],
    [4, 0, 0xffff_fffc],
    ...(wide ? ([[4, 0, 0xffff_ffff]] as [number, number, number][]) : []),
    [2, 0, 0xffff],
  ];
  if (maskable) fields.push([2, 0, 0], [4, 0, mask], [4, 0, 0]);
  return {
    id: Id.msi,
    bytes: littleEndian(...fields.map(([size, value]) => [size, value] as const)),
    writable: littleEndian(...fields.map(([size, , writable]) => [size, writable] as const)),
  };
}

function msixContents({ vectors, bar, table, pending }: MsixCapability): Contents {
  return {
    id: Id.msix,
    bytes: littleEndian([2, vectors - 1], [4, table | bar], [4, pending | bar]),
    writable: littleEndian([2, 0xc000]),
  };
}

/** Root ports and bridges have theirs as measured; endpoints say that they run at 2.5 GT/s over one lane. */
function expressContents({ port }: ExpressCapability): Contents {
  const writable = digits('00000000 0000 0f00');
  switch (port) {
    case 'root-port':
      return {
        id: Id.express,
        bytes: digits(
          '4201 00800000 0000 0000 04063000 0000 1100 7b000200 c001 0000 0000 0000 00000000 20003000 0000 0000 1e000000 0400 0000 00000000 0000 0000',
        ),
        writable: digits(
          '0000 00000000 0f00 0000 00000000 0000 0000 00000000 f907 0000 0700 0000 00000000 00000000 2080',
        ),
      };
    case 'pci-bridge':
      return {
        id: Id.express,
        bytes: digits(
          '7200 00800000 0000 0000 11040000 0000 1100 00000000 0000 0000 0000 0000 00000000 20003000 0000 0000 00000000 0000 0000 00000000 0000 0000',
        ),
        writable: digits(
          '0000 00000000 0f00 0000 00000000 0000 0000 00000000 0000 0000 0000 0000 00000000 00000000 2080',
        ),
      };
    case 'endpoint':
      return {
        id: Id.express,
        bytes: digits(
          '0200 00800000 0000 0000 11040000 0000 1100 00000000 0000 0000 0000 0000 00000000 20003000 0000 0000 00000000 0000 0000 00000000 0000 0000',
        ),
        writable,
      };
    case 'integrated':
      return {
        id: Id.express,
        bytes: digits(
          '9200 00800000 0000 0000 00000000 0000 0000 00000000 0000 0000 0000 0000 00000000 20003000 0000 0000 00000000 0000 0000 00000000 0000 0000',
        ),
        writable,
      };
  }
}

function contentsOf(capability: PciCapability): Contents {
  switch (capability.kind) {
    case 'msi':
      return msiContents(capability);
    case 'msix':
      return msixContents(capability);
    case 'express':
      return expressContents(capability);
    case 'plain':
    case 'plain-extended':
      return {
        id: capability.id,
        ...(capability.kind === 'plain-extended' && { version: capability.version }),
        bytes: digits(capability.bytes),
        writable: digits(capability.writable ?? ''),
      };
    case 'ats':
      // Invalidations are aligned to pages; the smallest translation unit is a page until software says otherwise.
      return {
        id: ExtendedId.ats,
        version: 1,
        bytes: littleEndian([2, 0x20], [2, 0]),
        writable: littleEndian([2, 0], [2, 0x801f]),
      };
    case 'pasid': {
      const { bits, execute = false, privileged = false } = capability;
      const rights = (execute ? 2 : 0) | (privileged ? 4 : 0);
      return {
        id: ExtendedId.pasid,
        version: 1,
        bytes: littleEndian([2, (bits << 8) | rights], [2, 0]),
        writable: littleEndian([2, 0], [2, 1 | rights]),
      };
    }
    case 'page-requests':
      // Stopped, and responses carry the PASID where the request did.
      return {
        id: ExtendedId.pageRequests,
        version: 1,
        bytes: littleEndian([2, 0], [2, 0x8100], [4, capability.outstanding], [4, 0]),
        writable: littleEndian([2, 0x3], [2, 0], [4, 0], [4, 0xffff_ffff]),
      };
  }
}

/** The capabilities of one function, linked in the order in which they are added. */
export class CapabilityList {
  readonly #config: ConfigSpace;
  /** Where the pointer to the next capability goes. */
  #link: number = Register.capabilities;
  #free = FIRST_CAPABILITY;
  #lastExtended: number | null = null;
  #freeExtended = FIRST_EXTENDED;

  constructor(config: ConfigSpace) {
    this.#config = config;
  }

  /** Lays a capability down. @returns where it lies. @throws RangeError when it does not fit */
  add(capability: PciCapability): number {
    const contents = contentsOf(capability);
    return contents.version === undefined && !isExtended(capability)
      ? this.#addPlain(contents, capability.at)
      : this.#addExtended(contents, capability.at);
  }

  #addPlain(contents: Contents, wanted: number | undefined): number {
    const at = wanted ?? this.#free;
    const end = (at + 2 + contents.bytes.length + 3) & ~3;
    if (end > 256) throw new RangeError(`A capability at 0x${at.toString(16)} reaches beyond configuration space`);
    this.#free = Math.max(this.#free, end);
    const config = this.#config;
    config.set(Register.status, 2, config.read(Register.status, 2) | Status.capabilities);
    config.set(this.#link, 1, at);
    config.define(at, 1, contents.id);
    config.define(at + 1, 1, 0);
    this.#link = at + 1;
    this.#put(at + 2, contents);
    return at;
  }

  /** @throws RangeError also on a function of conventional PCI */
  #addExtended(contents: Contents, wanted: number | undefined): number {
    const config = this.#config;
    const at = wanted ?? this.#freeExtended;
    const end = (at + 4 + contents.bytes.length + 3) & ~3;
    if (end > config.size) throw new RangeError(`An extended capability at 0x${at.toString(16)} has no place`);
    this.#freeExtended = Math.max(this.#freeExtended, end);
    const previous = this.#lastExtended;
    if (previous !== null) config.set(previous + 2, 2, (config.read(previous + 2, 2) & 0xf) | (at << 4));
    config.define(at, 4, (contents.version! << 16) | contents.id);
    this.#lastExtended = at;
    this.#put(at + 4, contents);
    return at;
  }

  #put(at: number, contents: Contents): void {
    contents.bytes.forEach((byte, index) => {
      this.#config.define(at + index, 1, byte, { writable: contents.writable[index] ?? 0 });
    });
  }
}

function isExtended({ kind }: PciCapability): boolean {
  return kind === 'ats' || kind === 'pasid' || kind === 'page-requests' || kind === 'plain-extended';
}
