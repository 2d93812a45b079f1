import { describe, expect, it } from 'vitest';
import { createMachine } from '../../src/machine/create.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { MachineQtestTarget } from '../../src/machine/qtest-target.ts';

function target(): { machine: Machine; target: MachineQtestTarget } {
  const machine = createMachine({
    type: 'q35',
    noDefaults: true,
    devices: [{ values: { driver: 'edu', id: 'edu0', addr: '03.0' } }],
  });
  return { machine, target: new MachineQtestTarget(machine, { virtualTime: true }) };
}

describe('machine as a qtest target', () => {
  it('reads and writes RAM, and reads zeros where nothing is', () => {
    const { target: qtest } = target();
    qtest.writeMemory(0x1000n, Uint8Array.of(1, 2, 3, 4));
    const bytes = new Uint8Array(6).fill(0xee);
    qtest.readMemory(0x0fffn, bytes);
    expect([...bytes]).toEqual([0, 1, 2, 3, 4, 0]);
    qtest.readMemory(0xd000_0000n, bytes);
    expect([...bytes]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('survives addresses at the end of the 64 bits', () => {
    const { target: qtest } = target();
    qtest.writeMemory(2n ** 64n - 2n, new Uint8Array(8));
    qtest.readMemory(2n ** 64n - 1n, new Uint8Array(8));
    expect(() => qtest.readPort(0xffff, 4)).not.toThrow();
  });

  it('reaches configuration space by ports, and all ones where no port is', () => {
    const { target: qtest } = target();
    qtest.writePort(0xcf8, 4, 0x8000_1800);
    expect(qtest.readPort(0xcfc, 4)).toBe(0x11e8_1234);
    expect(qtest.readPort(0xcfe, 2)).toBe(0x11e8);
    expect(qtest.readPort(0xcfd, 1)).toBe(0x12);
    expect([qtest.readPort(0x80, 1), qtest.readPort(0x80, 2), qtest.readPort(0x80, 4)]).toEqual([
      0xff, 0xffff, 0xffff_ffff,
    ]);
  });

  it('steps to the next deadline, and nowhere without one', () => {
    const { machine, target: qtest } = target();
    expect(qtest.clockStep(null)).toBe(0n);
    const ran: bigint[] = [];
    machine.clock.schedule(40n, () => ran.push(machine.clock.now));
    machine.clock.schedule(70n, () => ran.push(machine.clock.now));
    expect(qtest.clockStep(null)).toBe(40n);
    expect(ran).toEqual([40n]);
    expect(qtest.clockStep(-30n)).toBe(40n);
    expect(qtest.clockSet(100n)).toBe(100n);
    expect(ran).toEqual([40n, 70n]);
  });

  it('moves only the hands of the clock while the machine is stopped', () => {
    const { machine, target: qtest } = target();
    const ran: bigint[] = [];
    machine.clock.schedule(40n, () => ran.push(machine.clock.now));
    machine.operations.run(() => machine.stop());
    expect(qtest.clockStep(50n)).toBe(50n);
    expect(ran).toEqual([]);
  });

  it('tells of changes on the lines of the I/O APIC, driven from outside or by a device', () => {
    const { target: qtest } = target();
    const seen: [number, boolean][] = [];
    const note = (line: number, raised: boolean): void => void seen.push([line, raised]);
    expect(qtest.interceptInterrupts('nowhere', 'in', note)).toBe('unknown-device');
    expect(qtest.interceptInterrupts('ioapic', 'in', note)).toBe('ok');
    expect(qtest.interceptInterrupts('/machine/q35/ioapic', 'in', note)).toBe('ok');
    expect(qtest.interceptInterrupts('edu0', 'out', note)).toBe('already-intercepted');
    for (const level of [1n, 1n, 0n, 2n]) expect(qtest.setInterrupt('ioapic', null, 4n, level)).toBeNull();
    expect(seen).toEqual([
      [4, true],
      [4, false],
      [4, true],
    ]);
    expect(qtest.setInterrupt('ioapic', null, 24n, 1n)).toBe('no-such-line');
    expect(qtest.setInterrupt('ioapic', 'other', 4n, 1n)).toBe('no-such-line');
    expect(qtest.setInterrupt('edu0', null, 0n, 1n)).toBe('no-such-line');

    // edu in slot 3 without MSI: its INTA is one of the lines 16 to 23.
    seen.length = 0;
    qtest.writePort(0xcf8, 4, 0x8000_1810);
    qtest.writePort(0xcfc, 4, 0xe000_0000);
    qtest.writePort(0xcf8, 4, 0x8000_1804);
    qtest.writePort(0xcfc, 2, 0x6);
    qtest.operation(() => qtest.writeMemory(0xe000_0060n, Uint8Array.of(1, 0, 0, 0)));
    qtest.operation(() => qtest.writeMemory(0xe000_0064n, Uint8Array.of(1, 0, 0, 0)));
    expect(seen.map(([, raised]) => raised)).toEqual([true, false]);
    expect(seen[0]![0]).toBeGreaterThanOrEqual(16);

    qtest.releaseInterrupts();
    qtest.setInterrupt('ioapic', null, 5n, 1n);
    expect(seen).toHaveLength(2);
  });
});
