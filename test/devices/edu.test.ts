import { describe, expect, it } from 'vitest';
import { EduDevice } from '../../src/devices/edu.ts';
import { Ports } from '../machine/ports.ts';
import { MachineRig } from '../machine/support.ts';

const BAR = 0xe000_0000;
const EDU = 0x18;
const BUFFER = 0x4_0000;
const DMA_TIME = 100_000_000n;

/** A bare q35 with edu in slot 3, set up as a harness does it. */
function rig(options = 'dma_mask=0xffffffffffffffff'): { rig: MachineRig; ports: Ports; edu: EduDevice } {
  const [name = '', mask = ''] = options.split('=');
  const values = { driver: 'edu', id: 'edu0', addr: '3', [name]: mask };
  const made = new MachineRig({ type: 'q35', devices: [{ values }] });
  const edu = made.machine.findPciDevice('edu0');
  if (!(edu instanceof EduDevice)) throw new Error('edu0 is no edu');
  const ports = new Ports(made.machine);
  ports.setUp(EDU, BAR);
  return { rig: made, ports, edu };
}

function startDma(ports: Ports, source: number, destination: number, count: number, command: number): void {
  ports.write(BAR + 0x80, 8, source);
  ports.write(BAR + 0x88, 8, destination);
  ports.write(BAR + 0x90, 8, count);
  ports.write(BAR + 0x98, 4, command);
}

function pass(machine: MachineRig, nanoseconds: bigint): void {
  const { clock } = machine.machine;
  clock.advanceTo(clock.now + nanoseconds);
}

describe('edu', () => {
  it('says who it is, and that it lives', () => {
    const { ports } = rig();
    expect(ports.read(BAR, 4)).toBe(0x010000edn);
    ports.write(BAR + 4, 4, 0x1234_5678);
    expect(ports.read(BAR + 4, 4)).toBe(0xedcb_a987n);
    expect(ports.read(BAR + 0x30, 4)).toBe(0xffff_ffffn);
    expect(ports.read(BAR + 0x20, 8)).toBe(0xffff_ffff_ffff_ffffn);
  });

  it.each([
    [0, 1n],
    [5, 120n],
    [13, 1932053504n],
    [33, 2147483648n],
    [34, 0n],
    [0xffff_ffff, 0n],
  ])('computes %d! in 32 bits', (value, expected) => {
    const { ports } = rig();
    ports.write(BAR + 8, 4, value);
    expect(ports.read(BAR + 8, 4)).toBe(expected);
    expect(ports.read(BAR + 0x20, 4)).toBe(0n);
  });

  it('moves data 100 ms after it was told to', () => {
    const { rig: made, ports } = rig();
    ports.write(0x10_0000, 8, 0x1122_3344_5566_7788n);
    startDma(ports, 0x10_0000, BUFFER + 8, 8, 1);
    pass(made, DMA_TIME - 1n);
    expect(ports.read(BAR + 0x98, 4)).toBe(1n);
    // What is written while the engine runs is dropped.
    ports.write(BAR + 0x80, 8, 0);
    pass(made, 1n);
    expect(ports.read(BAR + 0x98, 4)).toBe(0n);
    expect(ports.read(BAR + 0x80, 8)).toBe(0x10_0000n);
    startDma(ports, BUFFER + 8, 0x20_0000, 8, 3);
    pass(made, DMA_TIME);
    expect(ports.read(0x20_0000, 8)).toBe(0x1122_3344_5566_7788n);
  });

  it('moves all of its buffer, and nothing beyond', () => {
    const { rig: made, ports } = rig();
    ports.write(0x10_0ff8, 8, 0xabcdn);
    startDma(ports, 0x10_0000, BUFFER, 4096, 1);
    pass(made, DMA_TIME);
    startDma(ports, BUFFER + 1, 0x20_0000, 4096, 3 | 4);
    pass(made, DMA_TIME);
    expect(ports.read(0x20_0ff7, 8)).toBe(0n);
    expect(ports.read(BAR + 0x24, 4)).toBe(0x100n);
    startDma(ports, BUFFER - 1, 0x20_0000, 1, 3);
    pass(made, DMA_TIME);
    startDma(ports, BUFFER, 0x20_0000, 4096, 3);
    pass(made, DMA_TIME);
    expect(ports.read(0x20_0ff8, 8)).toBe(0xabcdn);
  });

  it('issues only addresses that its mask has', () => {
    const { rig: made, ports } = rig('dma_mask=0xfffff');
    ports.write(0x1000, 4, 0x55);
    startDma(ports, 0xff00_1000, BUFFER, 4, 1);
    pass(made, DMA_TIME);
    startDma(ports, BUFFER, 0xff00_2000, 4, 3);
    pass(made, DMA_TIME);
    expect(ports.read(0x2000, 4)).toBe(0x55n);
  });

  it('reaches nothing while it is no bus master', () => {
    const { rig: made, ports } = rig();
    ports.write(0x10_0000, 4, 0x55);
    startDma(ports, 0x10_0000, BUFFER, 4, 1);
    pass(made, DMA_TIME);
    ports.writeConfig(0, EDU, 4, 2, 2);
    startDma(ports, BUFFER, 0x20_0000, 4, 3);
    pass(made, DMA_TIME);
    expect(ports.read(0x20_0000, 4)).toBe(0n);
    ports.writeConfig(0, EDU, 4, 2, 6);
    startDma(ports, BUFFER, 0x20_0000, 4, 3);
    pass(made, DMA_TIME);
    expect(ports.read(0x20_0000, 4)).toBe(0x55n);
  });

  it('interrupts by its pin, and by messages once they are on', () => {
    const { rig: made, ports } = rig();
    const { machine } = made;
    const lines: string[] = [];
    machine.interruptLines.watch((line, raised) => lines.push(`${line} ${raised ? 'up' : 'down'}`));
    ports.write(BAR + 0x60, 4, 3);
    expect(ports.readConfig(0, EDU, 6, 2) & 8).toBe(8);
    ports.writeConfig(0, EDU, 4, 2, 0x406);
    ports.writeConfig(0, EDU, 4, 2, 0x6);
    ports.write(BAR + 0x64, 4, 1);
    ports.write(BAR + 0x64, 4, 2);
    expect(lines).toEqual(['23 up', '23 down', '23 up', '23 down']);
    expect(machine.interrupts?.count).toBe(0);
    ports.writeConfig(0, EDU, 0x44, 4, 0xfee0_1000);
    ports.writeConfig(0, EDU, 0x4c, 2, 0x4041);
    ports.writeConfig(0, EDU, 0x42, 2, 1);
    ports.write(BAR + 0x20, 4, 0x80);
    ports.write(BAR + 8, 4, 4);
    expect(machine.interrupts?.messages).toMatchObject([{ address: 0xfee0_1000n, data: 0x4041 }]);
    expect(lines.length).toBe(4);
  });

  it('keeps its registers over a reset, and loses its place in memory', () => {
    const { rig: made, ports } = rig();
    ports.write(BAR + 4, 4, 0);
    made.machine.operations.run(() => made.machine.reset());
    expect(ports.read(BAR + 4, 4)).toBe(0n);
    expect(ports.readConfig(0, EDU, 0x10)).toBe(0);
    ports.setUp(EDU, BAR);
    expect(ports.read(BAR + 4, 4)).toBe(0xffff_ffffn);
  });

  it('is saved in the middle of a transfer', () => {
    const { rig: made, ports, edu } = rig();
    ports.write(0x10_0000, 4, 0x77);
    startDma(ports, 0x10_0000, BUFFER, 4, 1);
    pass(made, 40_000_000n);
    const state = edu.save();
    const { rig: other, ports: otherPorts, edu: otherEdu } = rig();
    pass(other, 40_000_000n);
    otherEdu.restore(state);
    otherPorts.write(0x10_0000, 4, 0x78);
    pass(other, 60_000_000n);
    startDma(otherPorts, BUFFER, 0x20_0000, 4, 3);
    pass(other, DMA_TIME);
    expect(otherPorts.read(0x20_0000, 4)).toBe(0x78n);
    expect(otherEdu.save()).not.toEqual(state);
  });

  it('that is unplugged no longer finishes its transfer', () => {
    const made = new MachineRig();
    made.add({ driver: 'edu', id: 'e' });
    const edu = made.machine.findPciDevice('e');
    const bar = Number(edu.registers.bars.addressOf(edu.identity.bars![0]!));
    const ports = new Ports(made.machine);
    ports.write(bar + 0x90, 8, 4);
    ports.write(bar + 0x98, 4, 1);
    expect(made.machine.clock.nextDeadline()).not.toBeNull();
    made.remove('e');
    expect(made.machine.clock.nextDeadline()).toBeNull();
    expect(ports.read(bar, 4)).toBe(0n);
  });
});
