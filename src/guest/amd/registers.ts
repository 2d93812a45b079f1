/** Offsets of AMD-Vi's registers (AMD-Vi, section 3.4). */
export const REGISTER = {
  deviceTable: 0x00n,
  commandBase: 0x08n,
  eventBase: 0x10n,
  control: 0x18n,
  extendedFeatures: 0x30n,
  commandHead: 0x2000n,
  commandTail: 0x2008n,
} as const;

/** Bits of the control register: the unit, its event log, its command buffer. */
export const CONTROL = { enable: 1n, eventLog: 1n << 2n, commandBuffer: 1n << 12n } as const;

/** What the extended feature register says. */
export class Features {
  readonly #value: bigint;

  constructor(value: bigint) {
    this.#value = value;
  }

  /** HATS: host page tables are offered; 3 is reserved, and says that they are not. */
  get translates(): boolean {
    return ((this.#value >> 10n) & 3n) !== 3n;
  }

  /** PASmax: 0 where there is one PASID alone, which counts as none. */
  get pasidBits(): number {
    const maximum = Number((this.#value >> 32n) & 0x1fn);
    return maximum === 0 ? 0 : maximum + 1;
  }

  /** GLXSup: levels of a GCR3 table. */
  get gcr3Levels(): number {
    return Number((this.#value >> 14n) & 3n) + 1;
  }
}
