import { describe, expect, it } from 'vitest';
import { MachineRig } from './support.ts';
import { Q35Board } from '../../src/machine/boards/q35/q35.ts';
import { Ports } from './ports.ts';

function q35(): { rig: MachineRig; ports: Ports } {
  const rig = new MachineRig({ type: 'q35', memory: 512n << 20n });
  return { rig, ports: new Ports(rig.machine) };
}

function item(ports: Ports, key: number, count: number): number[] {
  ports.out(0x510, 2, key);
  return Array.from({ length: count }, () => ports.in(0x511, 1));
}

describe('fw_cfg', () => {
  it.each([
    ['signature', 0x00, [...Buffer.from('QEMU')]],
    ['identification: ports and DMA', 0x01, [3, 0, 0, 0]],
    ['RAM size', 0x03, [0, 0, 0, 0x20, 0, 0, 0, 0]],
    ['processors', 0x05, [1, 0]],
    ['maximum of processors', 0x0f, [1, 0]],
    ['file directory', 0x19, [0, 0, 0, 0, 0]],
    ['an item that does not exist', 0x1234, [0, 0]],
  ])('tells %s', (_, key, bytes) => {
    expect(item(q35().ports, key, bytes.length)).toEqual(bytes);
  });

  it('transfers an item by DMA, selected and skipped in the request', () => {
    const { ports } = q35();
    expect([ports.in(0x514, 4), ports.in(0x518, 4)]).toEqual([0x554d_4551, 0x4746_4320]);
    const request = (control: number, length: number, address: number): void => {
      const bytes = Buffer.alloc(16);
      bytes.writeUInt32BE(control >>> 0, 0);
      bytes.writeUInt32BE(length, 4);
      bytes.writeBigUInt64BE(BigInt(address), 8);
      for (let at = 0; at < 16; at += 8) ports.write(0x1000 + at, 8, bytes.readBigUInt64LE(at));
      // Big-endian: 0x1000.
      ports.out(0x518, 4, 0x0010_0000);
    };
    request(0x0000_000a, 4, 0x2000);
    expect(ports.read(0x2000, 4)).toBe(BigInt(Buffer.from('QEMU').readUInt32LE()));
    expect(ports.read(0x1000, 4)).toBe(0n);
    request(0x0003_000c, 3, 0);
    request(0x2, 2, 0x3000);
    expect(ports.read(0x3000, 4)).toBe(0x20n);
    request(0x0003_0018, 4, 0x2000);
    expect(ports.read(0x1000, 4)).toBe(0x0100_0000n);
    request(0x0003_000a, 4, 0x2000_0000);
    expect(ports.read(0x1000, 4)).toBe(0x0100_0000n);
  });
});

describe('the rest of the board', () => {
  it('takes interrupt messages of 4 bytes', () => {
    const { rig, ports } = q35();
    const told: number[] = [];
    rig.machine.interrupts!.subscribe(({ data }) => told.push(data));
    ports.write(0xfee0_1000, 4, 0x21);
    ports.write(0xfee0_1000, 2, 0x22);
    expect(rig.machine.interrupts!.messages).toMatchObject([{ address: 0xfee0_1000n, data: 0x21 }]);
    expect(told).toEqual([0x21]);
    expect(ports.read(0xfee0_1000, 4)).toBe(0n);
  });

  it('maps firmware below 4 GiB', () => {
    const firmware = new Uint8Array(0x2_0000);
    firmware[0x1_fff0] = 0xea;
    const rig = new MachineRig({ type: 'q35', memory: 1n << 20n, firmware });
    const ports = new Ports(rig.machine);
    expect(ports.read(0xffff_fff0, 1)).toBe(0xean);
    ports.write(0xffff_fff0, 1, 0);
    expect(ports.read(0xffff_fff0, 1)).toBe(0xean);
  });

  it('is saved and restored', () => {
    const { rig, ports } = q35();
    ports.out(0xcf8, 4, 0x8000_0010);
    ports.out(0x510, 2, 3);
    ports.in(0x511, 1);
    ports.write(0xfee0_0000, 4, 7);
    const { board } = rig.machine;
    if (!(board instanceof Q35Board)) throw new Error('no q35');
    const state = board.save();
    rig.machine.operations.run(() => rig.machine.reset());
    expect(ports.in(0xcf8, 4)).toBe(0);
    board.restore(state);
    expect(ports.in(0xcf8, 4)).toBe(0x8000_0010);
    expect(board.save()).toEqual(state);
    expect([ports.in(0x511, 1), ports.in(0x511, 1), ports.in(0x511, 1)]).toEqual([0, 0, 0x20]);
  });
});
