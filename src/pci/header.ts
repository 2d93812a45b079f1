import type { ConfigSpace } from './config-space.ts';
import type { PciBar, PciIdentity } from './device.ts';
import { Command, Register, ROM_ENABLE, STATUS_ERRORS } from './registers.ts';

/** Header type 1 is a bridge's. */
export type HeaderType = 0 | 1;

const MULTIFUNCTION = 0x80;
/** The index that stands for the expansion ROM. */
export const ROM_INDEX = 6;

/** Where the base address register of `index` lies. */
export function barRegister(index: number, type: HeaderType): number {
  if (index !== ROM_INDEX) return Register.bar0 + 4 * index;
  return type === 0 ? Register.rom : Register.bridgeRom;
}

/** The bits of a base address register that tell its kind and never change. */
export function barKindBits(bar: PciBar): number {
  if (bar.index === ROM_INDEX) return 0;
  if (bar.kind === 'io') return 1;
  return (bar.wide === true ? 4 : 0) | (bar.prefetch === true ? 8 : 0);
}

function defineBar(config: ConfigSpace, bar: PciBar, type: HeaderType): void {
  const at = barRegister(bar.index, type);
  const address = ~(bar.size - 1) >>> 0;
  config.define(at, 4, barKindBits(bar), { writable: bar.index === ROM_INDEX ? address | ROM_ENABLE : address });
  if (bar.wide === true) config.define(at + 4, 4, 0, { writable: 0xffff_ffff });
}

function defineBridgeRegisters(config: ConfigSpace, identity: PciIdentity): void {
  // Bus numbers and the latency timer of the bus behind are plain storage.
  config.define(Register.primaryBus, 4, 0, { writable: 0xffff_ffff });
  config.define(Register.ioBase, 2, 0, { writable: 0xf0f0 });
  config.define(Register.secondaryStatus, 2, identity.secondaryStatus ?? 0, { clear: STATUS_ERRORS });
  config.define(Register.memoryBase, 4, 0, { writable: 0xfff0_fff0 });
  // The prefetchable window has 64-bit addresses.
  config.define(Register.prefetchableBase, 4, 0x0001_0001, { writable: 0xfff0_fff0 });
  config.define(Register.prefetchableBaseHigh, 4, 0, { writable: 0xffff_ffff });
  config.define(Register.prefetchableLimitHigh, 4, 0, { writable: 0xffff_ffff });
  config.define(Register.bridgeControl, 2, 0, { writable: identity.bridgeControl ?? 0x005f });
}

/** Lays down the header of a function: what it is, its base address registers, and what software may write. */
export function defineHeader(
  config: ConfigSpace,
  identity: PciIdentity,
  type: HeaderType,
  multifunction: boolean,
): void {
  config.define(Register.vendor, 2, identity.vendor);
  config.define(Register.device, 2, identity.device);
  const command = Command.io | Command.memory | Command.master | Command.systemError | Command.interruptDisable;
  config.define(Register.command, 2, 0, { writable: command });
  config.define(Register.status, 2, identity.status ?? 0, { clear: STATUS_ERRORS });
  config.define(Register.revision, 1, identity.revision ?? 0);
  config.define(Register.programmingInterface, 1, identity.programmingInterface ?? 0);
  config.define(Register.classCode, 2, identity.classCode);
  config.define(Register.cacheLine, 1, 0, { writable: 0xff });
  config.define(Register.headerType, 1, type | (multifunction ? MULTIFUNCTION : 0));
  config.define(Register.interruptLine, 1, 0, { writable: 0xff });
  config.define(Register.interruptPin, 1, identity.interruptPin ?? 0);
  if (type === 1) defineBridgeRegisters(config, identity);
  else if (identity.subsystemVendor !== null) {
    config.define(Register.subsystemVendor, 2, identity.subsystemVendor ?? 0x1af4);
    config.define(Register.subsystem, 2, identity.subsystem ?? 0x1100);
  }
  for (const bar of identity.bars ?? []) defineBar(config, bar, type);
}
