import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GuestDriver } from '../../src/guest/guest-driver.ts';
import { createMachine } from '../../src/machine/create.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { VirtioPciDevice } from '../../src/virtio/pci-transport.ts';
import { Ports } from '../machine/ports.ts';

const BAR = 0xe000_0000;
const [COMMON, ISR, DEVICE, NOTIFY] = [BAR, BAR + 0x1000, BAR + 0x2000, BAR + 0x3000];
const DEVFN = 8;
const RING = 0x10_0000;

/** A virtio-iommu on a q35 without firmware, by registers alone. */
class Rig {
  readonly machine: Machine;
  readonly ports: Ports;

  constructor(properties: Record<string, string> = {}) {
    this.machine = createMachine({
      type: 'q35',
      noDefaults: true,
      memory: 16n << 20n,
      devices: [
        { values: { driver: 'virtio-iommu-pci', id: 'v0', addr: '1', ...properties } },
        { values: { driver: 'edu', id: 'edu0', addr: '2' } },
        { values: { driver: 'vfio-pci', id: 'nic0', host: '0000:3b:00.0', addr: '3' } },
      ],
    });
    this.ports = new Ports(this.machine);
    this.ports.writeConfig(0, DEVFN, 0x20, 4, BAR);
    this.ports.writeConfig(0, DEVFN, 4, 2, 6);
  }

  get device(): VirtioPciDevice {
    const found = this.machine.findPciDevice('v0');
    if (!(found instanceof VirtioPciDevice)) throw new Error('no virtio device');
    return found;
  }

  get driver(): GuestDriver {
    return this.machine.guests.driverOf(this.machine.units[0]!);
  }

  /** Chooses features, bits 0 to 31 and 32 to 63, and enables queue 0 at {@link RING}. */
  start(low = 0x77, high = 1): void {
    const { ports } = this;
    for (const status of [0, 1, 3]) ports.write(COMMON + 0x14, 1, status);
    for (const [select, bits] of [low, high].entries()) {
      ports.write(COMMON + 8, 4, select);
      ports.write(COMMON + 12, 4, bits);
    }
    ports.write(COMMON + 0x14, 1, 0xb);
    ports.write(COMMON + 0x16, 2, 0);
    for (const [index, offset] of [0x20, 0x28, 0x30].entries()) ports.write(COMMON + offset, 4, RING + 0x1000 * index);
    ports.write(COMMON + 0x1c, 2, 1);
    ports.write(COMMON + 0x14, 1, 0xf);
  }

  get status(): number {
    return Number(this.ports.read(COMMON + 0x14, 1));
  }

  /** One request: 36 bytes at 0x200000, answered in 4 bytes behind it. */
  ask(count = 1): void {
    const { ports } = this;
    ports.write(RING, 8, 0x20_0000);
    ports.write(RING + 8, 8, 36n | (1n << 32n) | (1n << 48n));
    ports.write(RING + 16, 8, 0x20_0100);
    ports.write(RING + 24, 8, 4n | (2n << 32n));
    ports.write(RING + 0x1002, 2, count);
    ports.write(NOTIFY, 2, 0);
  }
}

describe('virtio on PCI', () => {
  it('interrupts by its pin until the ISR status is read', () => {
    const rig = new Rig();
    rig.start();
    rig.ask();
    expect(Number(rig.ports.read(RING + 0x2002, 2))).toBe(1);
    const pending = (): boolean => (rig.ports.readConfig(0, DEVFN, 6, 2) & 8) !== 0;
    expect(pending()).toBe(true);
    expect(Number(rig.ports.read(ISR, 1))).toBe(1);
    expect([pending(), Number(rig.ports.read(ISR, 1))]).toEqual([false, 0]);
  });

  it('needs a reset once the driver broke the rules, and says so', () => {
    const rig = new Rig();
    rig.start();
    rig.ports.write(RING + 0x1002, 2, 300);
    rig.ports.write(NOTIFY, 2, 0);
    expect(rig.status).toBe(0x4f);
    expect(rig.device.virtio.failure).toBe('Guest moved available index from 0 to 300');
    expect(Number(rig.ports.read(ISR, 1))).toBe(3);
    rig.ask();
    expect(Number(rig.ports.read(RING + 0x2002, 2))).toBe(0);
    rig.start();
    rig.ask();
    expect([rig.status, Number(rig.ports.read(RING + 0x2002, 2))]).toEqual([0xf, 1]);
  });

  it('serves nothing while it is no bus master', () => {
    const rig = new Rig();
    rig.start();
    rig.ports.writeConfig(0, DEVFN, 4, 2, 2);
    rig.ask();
    expect([rig.status, Number(rig.ports.read(RING + 0x2002, 2))]).toEqual([0xb, 0]);
  });

  it('takes no driver that does not know of the IOMMU in front of it, and then uses that', () => {
    const rig = new Rig({ iommu_platform: 'on' });
    rig.start();
    expect(rig.status & 8).toBe(0);
    rig.start(0x77, 3);
    expect(rig.status).toBe(0xf);
    rig.ask();
    expect(Number(rig.ports.read(RING + 0x2002, 2))).toBe(1);
    // Nothing passes any more: the ring itself cannot be reached.
    rig.ports.write(DEVICE + 36, 1, 0);
    rig.ask(2);
    expect(rig.status).toBe(0x4f);
  });

  it('is driven through configuration space alone where its BAR has no address', () => {
    const rig = new Rig();
    rig.ports.writeConfig(0, DEVFN, 4, 2, 0);
    rig.ports.writeConfig(0, DEVFN, 0x20, 4, 0);
    const { machine, driver } = rig;
    machine.operations.run(() => driver.enable('other'));
    const mapping = {
      sourceId: 0x10,
      iova: 0x1000n,
      address: 0x30_0000n,
      size: 0x1000n,
      permissions: ['read' as const],
    };
    machine.operations.run(() => driver.map(mapping));
    expect(machine.findPciDevice('edu0').addressSpace.translate(0x1234n, 'read').address).toBe(0x30_0234n);
  });

  it('goes on where it was when it is saved and restored', () => {
    const one = new Rig();
    const { machine, driver } = one;
    machine.operations.run(() => driver.enable('other'));
    const mapping = {
      sourceId: 0x10,
      iova: 0x1000n,
      address: 0x30_0000n,
      size: 0x1000n,
      permissions: ['read' as const],
    };
    machine.operations.run(() => driver.map(mapping));
    machine.operations.run(() => driver.unmap({ ...mapping, flush: false }));
    const other = new Rig();
    const ram = new Uint8Array(Number(machine.memorySize));
    machine.memory.read(0n, ram);
    other.machine.memory.write(0n, ram);
    other.machine.operations.run(() => other.device.restore(one.device.save()));
    other.machine.guests.restore(machine.guests.save());
    expect(other.device.save()).toEqual(one.device.save());
    const leads = (): boolean =>
      other.machine.findPciDevice('edu0').addressSpace.translate(0x1000n, 'read').fault === null;
    expect(leads()).toBe(true);
    other.machine.operations.run(() => other.driver.map({ ...mapping, iova: 0x8000n }));
    expect(leads()).toBe(false);
  });

  it('survives whatever a driver writes into registers, rings and requests', () => {
    const word = fc.oneof(
      fc.bigInt(0n, 2n ** 64n - 1n),
      fc.nat({ max: 0x40 }).map(BigInt),
      fc.nat({ max: 0xff }).map((low) => BigInt(RING + low * 16)),
      fc
        .tuple(fc.nat({ max: 40 }), fc.nat({ max: 7 }), fc.nat({ max: 3 }))
        .map(([length, flags, next]) => BigInt(length) | (BigInt(flags) << 32n) | (BigInt(next) << 48n)),
      fc.constantFrom(0n, 0xffff_ffff_ffff_ffffn, BigInt(NOTIFY), 0xfee0_0000n),
    );
    const place = fc.oneof(
      fc.nat({ max: 0x40 }).map((offset) => COMMON + offset),
      fc.nat({ max: 0x30 }).map((offset) => DEVICE + offset),
      fc.constantFrom(NOTIFY, NOTIFY + 4, ISR),
      fc.nat({ max: 0xf }).map((index) => RING + 8 * index),
      fc.constantFrom(RING + 0x1000, RING + 0x1002, RING + 0x1004, RING + 0x1206),
      // Requests: type, numbers and addresses.
      fc.nat({ max: 8 }).map((index) => 0x20_0000 + 4 * index),
    );
    const size = fc.constantFrom(1 as const, 2 as const, 4 as const, 8 as const);
    const step = fc.tuple(place, size, word);
    const request = fc.tuple(fc.nat({ max: 6 }), fc.nat({ max: 2 }), word, word, word, fc.nat({ max: 7 }));
    fc.assert(
      fc.property(fc.array(fc.oneof(step, request), { maxLength: 60 }), (steps) => {
        const rig = new Rig();
        rig.start();
        let count = 0;
        for (const one of steps) {
          if (one.length === 3) {
            const [at, bytes, value] = one;
            rig.ports.write(at, bytes, BigInt.asUintN(8 * bytes, value));
            continue;
          }
          const [type, domain, start, last, physical, flags] = one;
          rig.ports.write(0x20_0000, 8, BigInt(type) | (BigInt(domain) << 32n));
          // The second word of an attach is the endpoint.
          rig.ports.write(0x20_0008, 8, type === 1 ? 0x18n : start);
          rig.ports.write(0x20_0010, 8, last);
          rig.ports.write(0x20_0018, 8, physical);
          rig.ports.write(0x20_0020, 4, flags);
          count = (count + 1) & 0xffff;
          rig.ask(count);
        }
        for (const device of ['edu0', 'nic0'])
          rig.machine.findPciDevice(device).addressSpace.translate(0x1000n, 'read');
      }),
      { numRuns: 150 },
    );
  });
});
