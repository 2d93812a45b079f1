import { describe, expect, it } from 'vitest';
import { IommuTestdev } from '../../src/devices/iommu-testdev.ts';
import { Ports } from '../machine/ports.ts';
import { MachineRig } from '../machine/support.ts';

const BAR = 0xe000_0000;
const DEVFN = 0x20;

function rig(): { rig: MachineRig; ports: Ports; device: IommuTestdev } {
  const made = new MachineRig({
    type: 'q35',
    devices: [{ values: { driver: 'iommu-testdev', id: 'itd0', addr: '4' } }],
  });
  const device = made.machine.findPciDevice('itd0');
  if (!(device instanceof IommuTestdev)) throw new Error('itd0 is no iommu-testdev');
  const ports = new Ports(made.machine);
  ports.setUp(DEVFN, BAR);
  return { rig: made, ports, device };
}

/** The result of one round: what is not given stays as it is. */
function round(ports: Ports, registers: Readonly<Record<number, number>>): bigint {
  for (const [offset, value] of Object.entries(registers)) ports.write(BAR + Number(offset), 4, value);
  ports.write(BAR + 0x14, 4, 1);
  expect(ports.read(BAR + 0x10, 4)).toBe(0xffff_fffen);
  expect(ports.read(BAR, 4)).toBe(0n);
  return ports.read(BAR + 0x10, 4);
}

describe('iommu-testdev', () => {
  it('writes its pattern and finds it again', () => {
    const { ports } = rig();
    expect(ports.read(BAR + 0x10, 4)).toBe(0xffff_ffffn);
    expect(round(ports, { 0x04: 0x20_0567, 0x1c: 0x20_0567, 0x0c: 6 })).toBe(0n);
    expect(ports.read(0x20_0567, 8)).toBe(0x5678_1234_5678n);
  });

  it.each([
    ['no length', { 0x0c: 0 }, 0xdead_0001n],
    ['nowhere to write', { 0x08: 0x7000, 0x0c: 4 }, 0xdead_0002n],
    ['nowhere to read', { 0x20: 0x7000, 0x0c: 4 }, 0xdead_0003n],
    ['something else there', { 0x04: 0x20_0000, 0x1c: 0x20_1000, 0x0c: 4 }, 0xdead_0004n],
    ['contradictory attributes', { 0x0c: 4, 0x18: 0b1011 }, 0xdead_0006n],
    ['attributes that agree', { 0x0c: 4, 0x18: 0b1001 }, 0n],
    ['attributes that do not count', { 0x0c: 4, 0x18: 0b0011 }, 0n],
  ])('tells of %s', (_, registers, result) => {
    const { ports } = rig();
    expect(round(ports, registers)).toBe(result);
  });

  it('does nothing unless it is armed, once for each time', () => {
    const { ports } = rig();
    round(ports, { 0x0c: 4 });
    ports.read(BAR, 4);
    expect(ports.read(BAR + 0x10, 4)).toBe(0xdead_0005n);
    ports.write(BAR + 0x14, 4, 1);
    ports.write(BAR + 0x14, 4, 0);
    expect(ports.read(BAR + 0x10, 4)).toBe(0xffff_ffffn);
  });

  it('is reset, saved and restored', () => {
    const { rig: made, ports, device } = rig();
    round(ports, { 0x04: 0x20_0000, 0x1c: 0x20_0000, 0x0c: 4 });
    const state = device.save();
    made.machine.operations.run(() => made.machine.reset());
    ports.setUp(DEVFN, BAR);
    expect([0x04, 0x0c, 0x10, 0x18].map((offset) => ports.read(BAR + offset, 4))).toEqual([0n, 0n, 0xffff_ffffn, 2n]);
    device.restore(state);
    expect([0x04, 0x0c, 0x10].map((offset) => ports.read(BAR + offset, 4))).toEqual([0x20_0000n, 4n, 0n]);
    expect(device.save()).toEqual(state);
  });
});
