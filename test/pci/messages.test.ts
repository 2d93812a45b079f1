/** MSI and MSI-X: what is sent, masked, kept pending and reset. */
import { describe, expect, it } from 'vitest';
import { ConfigSpace } from '../../src/pci/config-space.ts';
import { CapabilityList, type MsiCapability, type MsixCapability } from '../../src/pci/capabilities.ts';
import { Msi } from '../../src/pci/msi.ts';
import { Msix } from '../../src/pci/msix.ts';
import { OperationCounter } from '../../src/core/operation.ts';
import { MemoryRegion } from '../../src/memory/region.ts';
import { MemoryTopology } from '../../src/memory/topology.ts';

function msi(capability: Omit<MsiCapability, 'kind'>): { config: ConfigSpace; at: number; msi: Msi; sent: string[] } {
  const config = new ConfigSpace(256);
  const whole: MsiCapability = { kind: 'msi', ...capability };
  const at = new CapabilityList(config).add(whole);
  const sent: string[] = [];
  const made = new Msi(config, at, whole, (address, data) => sent.push(`${address.toString(16)} ${data.toString(16)}`));
  return { config, at, msi: made, sent };
}

describe('MSI', () => {
  it('sends nothing until it is on', () => {
    const { config, at, msi: messages, sent } = msi({ vectors: 1 });
    messages.notify(0);
    config.write(at + 4, 4, 0xfee0_0007);
    config.write(at + 8, 2, 0x41);
    config.write(at + 2, 2, 1);
    messages.notify(0);
    expect(sent).toEqual(['fee00004 41']);
  });

  it('puts the vector into the data, as far as software granted vectors', () => {
    const { config, at, msi: messages, sent } = msi({ vectors: 8, wide: true });
    config.write(at + 4, 4, 0xfee0_0000);
    config.write(at + 8, 4, 1);
    config.write(at + 12, 2, 0x47);
    for (const granted of [0, 1, 3, 7]) {
      config.write(at + 2, 2, 1 | (granted << 4));
      messages.written(at + 2, 2);
      messages.notify(5);
    }
    // More than it asks for cannot be granted.
    expect(sent).toEqual(['1fee00000 47', '1fee00000 47', '1fee00000 45', '1fee00000 45']);
    expect(config.read(at + 2, 2) & 0x70).toBe(0x30);
  });

  it('remembers what is masked, and sends it once it no longer is', () => {
    const { config, at, msi: messages, sent } = msi({ vectors: 2, maskable: true });
    config.write(at + 2, 2, 1 | (1 << 4));
    config.write(at + 12, 4, 0b11);
    messages.notify(0);
    messages.notify(1);
    expect(config.read(at + 16, 4)).toBe(0b11);
    config.write(at + 12, 4, 0b01);
    messages.written(at + 12, 4);
    expect(sent).toEqual(['0 1']);
    messages.reset();
    expect([config.read(at + 2, 2) & 0x71, config.read(at + 12, 4), config.read(at + 16, 4)]).toEqual([0, 0, 0]);
  });
});

function msix(vectors: number): {
  config: ConfigSpace;
  at: number;
  msix: Msix;
  sent: string[];
  poke: (offset: number, value: number) => void;
  peek: (offset: number) => number;
} {
  const config = new ConfigSpace(256);
  const capability: MsixCapability = { kind: 'msix', vectors, bar: 0, table: 0, pending: 0x800 };
  const at = new CapabilityList(config).add(capability);
  const sent: string[] = [];
  const made = new Msix(config, at, capability, (address, data) =>
    sent.push(`${address.toString(16)} ${data.toString(16)}`),
  );
  const topology = new MemoryTopology(new OperationCounter());
  const bar = MemoryRegion.container(topology, 'bar', 0x1000n);
  made.install(bar, () => {});
  const space = topology.createAddressSpace('bar', bar);
  const poke = (offset: number, value: number): void => {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    expect(space.write(BigInt(offset), bytes).ok).toBe(true);
  };
  const peek = (offset: number): number => {
    const bytes = new Uint8Array(4);
    space.read(BigInt(offset), bytes);
    return new DataView(bytes.buffer).getUint32(0, true);
  };
  return { config, at, msix: made, sent, poke, peek };
}

describe('MSI-X', () => {
  it('sends the entry of the vector', () => {
    const { config, at, msix: messages, sent, poke, peek } = msix(3);
    expect(config.read(at + 2, 2)).toBe(2);
    config.write(at + 2, 2, 0x8000);
    poke(0x20, 0xfee0_0000);
    poke(0x24, 0x7);
    poke(0x28, 0xbeef);
    messages.notify(2);
    expect(peek(0x800)).toBe(0b100);
    poke(0x2c, 0);
    expect(sent).toEqual(['7fee00000 beef']);
    expect(peek(0x800)).toBe(0);
    poke(0x800, 0xff);
    expect(peek(0x800)).toBe(0);
  });

  it('is masked as a whole, too; a restored one goes on where it was', () => {
    const { config, at, msix: messages, sent, poke } = msix(2);
    poke(0x08, 5);
    poke(0x0c, 0);
    messages.notify(0);
    config.write(at + 2, 2, 0xc000);
    messages.notify(0);
    expect(sent).toEqual([]);
    const state = messages.save();
    messages.reset();
    config.write(at + 2, 2, 0x8000);
    messages.written(at + 2, 2);
    expect(sent).toEqual([]);
    messages.restore(state);
    messages.written(at + 2, 2);
    expect(sent).toEqual(['0 5']);
  });
});
