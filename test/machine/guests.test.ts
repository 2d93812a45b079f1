import { describe, expect, it } from 'vitest';
import { MachineRig } from './support.ts';

const TABLES = { address: 0x100_0000n, size: 0x20_0000n };

/** A machine whose built-in guest has enabled its only vIOMMU and mapped a page for a device. */
function rig() {
  const all = new MachineRig({ devices: [{ values: { driver: 'dma-agent', id: 'agent0', bus: 'rp0' } }] });
  const { machine } = all;
  const driver = machine.guests.driverOf(machine.units[0]!);
  const order = { sourceId: machine.findPciDevice('agent0').requesterId(), iova: 0n, size: 0x1000n };
  all.command(() => driver.enable('scalable', TABLES));
  all.command(() => driver.map({ ...order, address: 0x20_0000n, permissions: ['read'] }));
  return { machine, driver, order, command: (body: () => unknown) => all.command(body) };
}

describe('the built-in guest of a machine', () => {
  it('starts anew with the machine, and may use its tables again', () => {
    const { machine, driver, command } = rig();
    expect(driver.mode).toBe('scalable');
    command(() => machine.reset());
    expect(driver.mode).toBeNull();
    expect(machine.units[0]!.mode).toBe('off');
    expect(command(() => driver.enable('legacy', TABLES))).toBe('{}');
    expect(machine.units[0]!.mode).toBe('legacy');
  });

  it('comes back as it was saved', () => {
    const { machine, driver, order, command } = rig();
    const state = structuredClone(machine.guests.save());
    driver.reset();
    machine.guests.restore(state);
    expect(machine.guests.save()).toEqual(state);
    expect(command(() => driver.unmap({ ...order, flush: true }))).toBe('{}');
    expect(() => machine.guests.restore({ ...state, units: [{ ...state.units[0]!, unit: 'other' }] })).toThrow(
      "no vIOMMU 'other'",
    );
  });
});
