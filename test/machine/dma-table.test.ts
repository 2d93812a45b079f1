import { describe, expect, it } from 'vitest';
import { DmaTable } from '../../src/machine/dma-table.ts';
import { CommandError } from '../../src/core/errors.ts';
import type { DmaPath } from '../../src/memory/dma.ts';
import { decodeData, encodeData } from '../../src/machine/data-encoding.ts';
import { MachineRig } from './support.ts';

const MIB = 1n << 20n;

function small(): MachineRig {
  return new MachineRig({ noDefaults: true, memory: 16n * MIB, devices: [{ values: { driver: 'edu', id: 'e0' } }] });
}

function message(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    if (error instanceof CommandError) return error.message;
    throw error;
  }
  return 'not refused';
}

/** A path whose transfers wait until they are let go. */
class WaitingPath implements DmaPath {
  readonly waiting: (() => void)[] = [];
  #open = false;

  move({ bytes, write }: { bytes: Uint8Array; write: boolean }) {
    if (this.#open) {
      if (!write) bytes.fill(7);
      return { kind: 'moved' } as const;
    }
    return {
      kind: 'wait',
      reason: 'a page request',
      onReady: (resume: () => void) => void this.waiting.push(resume),
    } as const;
  }

  letGo(): void {
    this.#open = true;
    for (const resume of this.waiting.splice(0)) resume();
  }
}

function waitingTable(rig: MachineRig): { table: DmaTable; path: WaitingPath } {
  const { operations, events } = rig.machine;
  const path = new WaitingPath();
  return { table: new DmaTable({ operations, events, pathOf: () => path }), path };
}

describe('a DMA that is waited for', () => {
  it('of an emulated device goes through its address space, at once', () => {
    const rig = small();
    const device = rig.machine.findPciDevice('e0');
    const written = rig.machine.dmas.run({ device, write: true, address: 0x1ffen, data: Uint8Array.of(1, 2, 3, 4) });
    expect(written).toBeInstanceOf(Uint8Array);
    const bytes = new Uint8Array(4);
    rig.machine.memory.read(0x1ffen, bytes);
    expect([...bytes]).toEqual([1, 2, 3, 4]);
    const read = rig.machine.dmas.run({ device, write: false, address: 0x1ffen, data: new Uint8Array(4) });
    expect(read).toEqual(bytes);
    expect(rig.model).toEqual([]);
  });

  it('works for every kind of function', () => {
    const rig = small();
    rig.machine.memory.write(0x3000n, Uint8Array.of(9));
    for (const device of rig.machine.devices()) {
      expect(rig.machine.dmas.run({ device, write: false, address: 0x3000n, data: new Uint8Array(1) })).toEqual(
        Uint8Array.of(9),
      );
    }
  });

  it('that fails says where and how many bytes had moved; these stay moved', () => {
    const rig = small();
    const device = rig.machine.findPciDevice('e0');
    const order = { device, write: true, address: 16n * MIB - 0x1000n, data: new Uint8Array(0x1800).fill(5) };
    expect(message(() => rig.machine.dmas.run(order))).toBe(
      "DMA write of 6144 bytes at 0xfff000 by device 'e0' failed at 0x1000000 after 4096 bytes: " +
        'Nothing answers a write to address 0x1000000',
    );
    const bytes = new Uint8Array(1);
    rig.machine.memory.read(16n * MIB - 1n, bytes);
    expect(bytes[0]).toBe(5);
    expect(rig.machine.dmas.save().entries).toEqual([]);
  });

  it('of an emulated device has no PASID', () => {
    const rig = small();
    const device = rig.machine.findPciDevice('e0');
    const order = { device, write: false, address: 0n, data: new Uint8Array(1), pasid: 1 };
    expect(message(() => rig.machine.dmas.run(order))).toContain('takes no requests with PASID 1');
  });

  it('gives a promise where it has to wait', async () => {
    const rig = small();
    const { table, path } = waitingTable(rig);
    const device = rig.machine.findPciDevice('e0');
    const result = table.run({ device, write: false, address: 0n, data: new Uint8Array(2) });
    expect(result).toBeInstanceOf(Promise);
    expect(table.pending()).toEqual([]);
    path.letGo();
    expect(await result).toEqual(Uint8Array.of(7, 7));
  });

  it('fails when its device goes while it waits', async () => {
    const rig = small();
    const { table } = waitingTable(rig);
    const device = rig.machine.findPciDevice('e0');
    const result = table.run({ device, write: false, address: 0x10n, data: new Uint8Array(2) });
    table.cancel('The device left', device);
    await expect(result).rejects.toThrow(
      "DMA read of 2 bytes at 0x10 by device 'e0' failed at 0x10 after 0 bytes: The device left",
    );
  });
});

describe('a DMA that is not waited for', () => {
  it('begins behind the reply that tells its number, and tells its end', () => {
    const rig = small();
    const device = rig.machine.findPciDevice('e0');
    rig.machine.memory.write(0x40n, Uint8Array.of(0xde, 0xad));
    const order = { device, write: false, address: 0x40n, data: new Uint8Array(2) };
    const numbers: number[] = [];
    rig.command((afterReply) => {
      numbers.push(rig.machine.dmas.start(order, 'hex', afterReply));
      numbers.push(rig.machine.dmas.start({ ...order, write: true }, 'hex', afterReply));
      expect(rig.machine.dmas.pending().map(({ dma, device: name }) => [dma, name])).toEqual([
        [1, 'e0'],
        [2, 'e0'],
      ]);
      expect(rig.model).toEqual([]);
    });
    expect(numbers).toEqual([1, 2]);
    expect(rig.model.map(({ name, data }) => [name, data])).toEqual([
      ['DMA_COMPLETED', { dma: 1, device: 'e0', status: 'ok', data: 'dead', sequence: 1, operation: 1 }],
      ['DMA_COMPLETED', { dma: 2, device: 'e0', status: 'ok', sequence: 2, operation: 1 }],
    ]);
    expect(rig.machine.dmas.pending()).toEqual([]);
  });

  it('keeps the number of its operation while others run', () => {
    const rig = small();
    const { table, path } = waitingTable(rig);
    const device = rig.machine.findPciDevice('e0');
    rig.command((later) =>
      table.start({ device, write: false, address: 0n, data: new Uint8Array(1) }, 'base64', later),
    );
    expect(table.pending()).toEqual([{ dma: 1, device: 'e0', waitingFor: 'a page request' }]);
    rig.command(() => path.letGo());
    expect(rig.machine.operations.last).toBe(2);
    expect(rig.model.map(({ data }) => data)).toMatchObject([{ dma: 1, data: 'Bw==', operation: 1 }]);
  });

  it('ends with an error when its device is unplugged or the machine reset', () => {
    const rig = new MachineRig();
    rig.add({ driver: 'edu', id: 'e0' });
    const device = rig.machine.findPciDevice('e0');
    const order = { device, write: false, address: 0n, data: new Uint8Array(1) };
    // Neither has begun when its device goes: the reply is still to come.
    const never = (): void => {};
    rig.machine.dmas.start(order, 'hex', never);
    rig.machine.dmas.start({ ...order, device: rig.machine.findPciDevice('rp0') }, 'hex', never);
    rig.remove('e0');
    expect(rig.model.map(({ data }) => data)).toMatchObject([
      {
        dma: 1,
        device: 'e0',
        status: 'error',
        desc: "DMA read of 1 bytes at 0x0 by device 'e0' failed at 0x0 after 0 bytes: Device 'e0' was unplugged",
      },
    ]);
    rig.command((afterReply) => rig.machine.reset(afterReply));
    expect(rig.model[1]?.data).toMatchObject({ dma: 2, device: 'rp0', status: 'error' });
  });

  it('is saved and restored', () => {
    const rig = small();
    const { table, path } = waitingTable(rig);
    const device = rig.machine.findPciDevice('e0');
    const empty = table.save();
    table.start({ device, write: false, address: 0n, data: new Uint8Array(1) }, 'hex');
    const saved = table.save();
    expect(saved).toMatchObject({ last: 1, entries: [{ id: 1, device: 'e0', dma: { state: 'waiting', moved: 0 } }] });
    table.restore(saved);
    expect(table.save()).toEqual(saved);
    expect(() => table.restore(empty)).toThrow('The saved transfers are [], the present ones [1 of e0]');
    path.letGo();
    expect(table.save()).toEqual({ last: 1, entries: [] });
  });
});

describe('data in JSON strings', () => {
  it.each(['base64', 'hex'] as const)('as %s comes back', (encoding) => {
    for (let length = 0; length < 10; length += 1) {
      const bytes = Uint8Array.from({ length }, (_, index) => (index * 77 + length) & 0xff);
      expect([...decodeData(encodeData(bytes, encoding), encoding)]).toEqual([...bytes]);
    }
  });

  it.each([
    ['zz', 'hex'],
    ['abc', 'hex'],
    ['aGVsbG8=!', 'base64'],
    ['a', 'base64'],
  ] as const)('%s is not %s', (text, encoding) => {
    expect(message(() => decodeData(text, encoding))).toBe(`Parameter 'data' is not valid ${encoding}`);
  });

  it('takes capitals, and base64 without padding', () => {
    expect([...decodeData('DEAD', 'hex')]).toEqual([0xde, 0xad]);
    expect([...decodeData('aGVsbG8', 'base64')]).toEqual([...Buffer.from('hello')]);
  });
});
