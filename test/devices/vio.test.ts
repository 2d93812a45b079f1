import { describe, expect, it } from 'vitest';
import { VioDevice } from '../../src/devices/vio/vio-device.ts';
import { createMachine } from '../../src/machine/create.ts';
import type { Machine } from '../../src/machine/machine.ts';

const MEMORY = 0x400_0000n;

function machine(...devices: Record<string, string>[]): Machine {
  return createMachine({ type: 'pseries', memory: MEMORY, devices: devices.map((values) => ({ values })) });
}

function vio(of: Machine, name: string): VioDevice {
  const device = of.findDevice(name);
  if (!(device instanceof VioDevice)) throw new Error(`${name} is no VIO device`);
  return device;
}

describe('a VIO device', () => {
  it('has the unit address that is given, or the next one that is free', () => {
    const made = machine(
      { driver: 'vio-dma-agent', id: 'a', reg: '0x71000000' },
      { driver: 'vio-dma-agent', id: 'b' },
      { driver: 'vio-dma-agent', id: 'c' },
      { driver: 'vio-dma-agent', id: 'd', reg: '5' },
    );
    expect(['a', 'b', 'c', 'd'].map((name) => vio(made, name).reg)).toEqual([0x7100_0000, 0x7100_0001, 0x7100_0002, 5]);
    expect(vio(made, 'd').location).toBe('vio@5');
    const twice = { driver: 'vio-dma-agent', reg: '0x1000' };
    expect(() => machine(twice, twice)).toThrow('vio-dma-agent and vio-dma-agent devices conflict at address 0x1000');
  });

  it('sits on a bus without PCI, and comes and goes with the machine alone', () => {
    const made = machine({ driver: 'vio-dma-agent', id: 'a' });
    const device = vio(made, 'a');
    expect(device.parentBus?.busName).toBe('spapr-vio');
    expect(made.devices()).toEqual([]);
    expect(made.dmaDevices()).toEqual([device]);
    expect(made.findDevice(device.path)).toBe(device);
    expect(() => made.deviceAdd({ driver: 'vio-dma-agent' })).toThrow("Bus 'spapr-vio' does not support hotplugging");
    expect(() => made.deviceDelete('a')).toThrow("Bus 'spapr-vio' does not support hotplugging");
    expect(() => made.findPciDevice('a')).toThrow('no PCI function');
    const other = createMachine({ type: 'q35' });
    expect(() => other.deviceAdd({ driver: 'vio-dma-agent' })).toThrow('vio-dma-agent');
  });

  it('reaches memory by its own table, found by its address space', () => {
    const made = machine({ driver: 'vio-dma-agent', id: 'a' }, { driver: 'vio-dma-agent', id: 'b' });
    const [a, b] = ['a', 'b'].map((name) => made.spaceOf(made.findDevice(name)));
    expect(a?.unit.kind).toBe('spapr-tce');
    expect([a?.guestId, b?.guestId]).toEqual([0x7100_0000, 0x7100_0001]);
    expect(a?.addressSpace).not.toBe(b?.addressSpace);
    expect(a?.addressSpace.iommuObject()).toBe(a?.iommuObject);
  });
});

describe('PCI on a pSeries machine', () => {
  it('is one bus whose functions share an address space, set up by firmware', () => {
    const made = machine({ driver: 'edu', id: 'e' }, { driver: 'dma-agent', id: 'f' });
    const [e, f] = ['e', 'f'].map((name) => made.findPciDevice(name));
    expect(made.rootBus?.busName).toBe('pci.0');
    expect(made.spaceOf(e!)).toBe(made.spaceOf(f!));
    expect(made.spaceOf(e!)?.requesters.map(({ label }) => label)).toEqual(['e', 'f']);
    expect(e!.busMasterEnabled).toBe(true);
    // The registers answer behind the host bridge's window.
    const bytes = new Uint8Array(4);
    expect(made.memory.read(0x2000_8000_0000n, bytes).ok).toBe(true);
    expect([...bytes]).toEqual([0xed, 0, 0, 1]);
  });

  it('keeps what is mapped when a function comes or goes', () => {
    const made = machine();
    made.operations.run(() => made.deviceAdd({ driver: 'dma-agent', id: 'f' }));
    const device = made.findPciDevice('f');
    expect(made.spaceOf(device)?.bypass).toBe(false);
    made.operations.run(() => made.deviceDelete('f'));
    expect(() => made.findDevice('f')).toThrow('not found');
    expect(made.units[0]!.describe().devices).toEqual([]);
  });
});
