/** Offsets in configuration space (PCI Local Bus 3.0, section 6.1; bridges: PCI-to-PCI Bridge 1.2, section 3.2). */
export const Register = {
  vendor: 0x00,
  device: 0x02,
  command: 0x04,
  status: 0x06,
  revision: 0x08,
  programmingInterface: 0x09,
  classCode: 0x0a,
  cacheLine: 0x0c,
  headerType: 0x0e,
  bar0: 0x10,
  subsystemVendor: 0x2c,
  subsystem: 0x2e,
  rom: 0x30,
  capabilities: 0x34,
  interruptLine: 0x3c,
  interruptPin: 0x3d,
  /** Type 1 from here on. */
  primaryBus: 0x18,
  secondaryBus: 0x19,
  subordinateBus: 0x1a,
  latencyTimer: 0x1b,
  ioBase: 0x1c,
  ioLimit: 0x1d,
  secondaryStatus: 0x1e,
  memoryBase: 0x20,
  memoryLimit: 0x22,
  prefetchableBase: 0x24,
  prefetchableLimit: 0x26,
  prefetchableBaseHigh: 0x28,
  prefetchableLimitHigh: 0x2c,
  ioBaseHigh: 0x30,
  ioLimitHigh: 0x32,
  bridgeRom: 0x38,
  bridgeControl: 0x3e,
} as const;

/** Bits of the command register. */
export const Command = { io: 0x1, memory: 0x2, master: 0x4, systemError: 0x100, interruptDisable: 0x400 } as const;

/** Bits of the status register. */
export const Status = { interrupt: 0x8, capabilities: 0x10 } as const;

/** Errors that a function has seen: a written 1 clears them. */
export const STATUS_ERRORS = 0xf900;

/** The bit of the bridge control register that holds the bus behind the bridge in reset. */
export const BRIDGE_BUS_RESET = 0x40;

/** Bit 0 of an expansion ROM's base address: the ROM decodes. */
export const ROM_ENABLE = 1;
