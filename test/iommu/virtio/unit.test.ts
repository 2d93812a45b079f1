import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { IommuRequest } from '../../../src/iommu/virtio/protocol.ts';
import { VirtioIommuUnit } from '../../../src/iommu/virtio/unit.ts';
import { createMachine, type MachineConfig } from '../../../src/machine/create.ts';
import type { Machine } from '../../../src/machine/machine.ts';
import { RegionNotifier } from '../../../src/memory/iommu-region.ts';

const PAGE = 0x1000n;
const ENDPOINTS = [0x10, 0x18] as const;

interface Behind {
  machine: Machine;
  unit: VirtioIommuUnit;
}

function started(options: Record<string, string> = {}, more: MachineConfig['devices'] = []): Behind {
  const machine = createMachine({
    type: 'q35',
    noDefaults: true,
    memory: 64n << 20n,
    devices: [
      { values: { driver: 'virtio-iommu-pci', id: 'v0', addr: '1', 'boot-bypass': 'off', ...options } },
      { values: { driver: 'edu', id: 'a', addr: '2' } },
      { values: { driver: 'edu', id: 'b', addr: '3' } },
      ...more,
    ],
  });
  const [unit] = machine.units;
  if (!(unit instanceof VirtioIommuUnit)) throw new Error('no virtio-iommu');
  return { machine, unit };
}

const spaceOf = ({ unit }: Behind, endpoint: number) => unit.deviceSpaces().find((one) => one.endpoint === endpoint)!;

/** Where a read and a write of an address lead, by the unit; null: they fault. */
function leads(behind: Behind, endpoint: number, address: bigint): (bigint | null)[] {
  const space = spaceOf(behind, endpoint);
  return (['read', 'write'] as const).map((access) => {
    const { fault, address: to } = space.addressSpace.translate(address, access);
    return fault === null ? to : null;
  });
}

/** The rules of Virtio 1.2, section 5.13.6, written down as plainly as they go. */
class Plain {
  readonly domains = new Map<number, { start: bigint; last: bigint; physical: bigint; flags: number }[]>();
  readonly attached = new Map<number, number>();

  request(request: IommuRequest): number {
    switch (request.type) {
      case 'attach':
        this.leave(request.endpoint);
        if (!this.domains.has(request.domain)) this.domains.set(request.domain, []);
        this.attached.set(request.endpoint, request.domain);
        return 0;
      case 'detach':
        if (!this.attached.has(request.endpoint)) return 6;
        if (this.attached.get(request.endpoint) !== request.domain) return 4;
        this.leave(request.endpoint);
        return 0;
      case 'map': {
        const domain = this.domains.get(request.domain);
        if (domain === undefined) return 6;
        if (domain.some(({ start, last }) => start <= request.last && last >= request.start)) return 4;
        domain.push(request);
        return 0;
      }
      case 'unmap': {
        const domain = this.domains.get(request.domain);
        if (domain === undefined) return 6;
        const touched = domain
          .filter(({ start, last }) => start <= request.last && last >= request.start)
          .sort((a, b) => Number(a.start - b.start));
        for (const mapping of touched) {
          if (mapping.start < request.start || mapping.last > request.last) return 5;
          domain.splice(domain.indexOf(mapping), 1);
        }
        return 0;
      }
      case 'probe':
        return 0;
    }
  }

  leads(endpoint: number, address: bigint): (bigint | null)[] {
    const domain = this.domains.get(this.attached.get(endpoint) ?? -1) ?? [];
    const found = domain.find(({ start, last }) => address >= start && address <= last);
    return [1, 2].map((flag) =>
      found !== undefined && (found.flags & flag) !== 0 ? found.physical + (address - found.start) : null,
    );
  }

  private leave(endpoint: number): void {
    const domain = this.attached.get(endpoint);
    this.attached.delete(endpoint);
    if (domain !== undefined && ![...this.attached.values()].includes(domain)) this.domains.delete(domain);
  }
}

const pages = fc.integer({ min: 0, max: 24 });
const range = fc.tuple(pages, fc.integer({ min: 1, max: 6 })).map(([first, count]) => ({
  start: BigInt(first) * PAGE,
  last: BigInt(first + count) * PAGE - 1n,
}));
const domain = fc.integer({ min: 1, max: 3 });
const endpoint = fc.constantFrom(...ENDPOINTS);
const request: fc.Arbitrary<IommuRequest> = fc.oneof(
  fc.record({ type: fc.constant('attach' as const), domain, endpoint, flags: fc.constant(0) }),
  fc.record({ type: fc.constant('detach' as const), domain, endpoint }),
  fc.tuple(domain, range, pages, fc.integer({ min: 0, max: 3 })).map(([id, { start, last }, page, flags]) => ({
    type: 'map' as const,
    domain: id,
    start,
    last,
    physical: 0x10_0000n + BigInt(page) * PAGE,
    flags,
  })),
  fc.tuple(domain, range).map(([id, { start, last }]) => ({ type: 'unmap' as const, domain: id, start, last })),
);

describe('virtio-iommu as a unit', () => {
  it('leads where a plain reading of the requests leads, and its notifiers know the same', () => {
    fc.assert(
      fc.property(fc.array(request, { maxLength: 40 }), (requests) => {
        const behind = started();
        const plain = new Plain();
        const shadows = ENDPOINTS.map((number) => {
          const told = new Map<bigint, bigint>();
          const { region } = spaceOf(behind, number);
          const notifier = new RegionNotifier({
            name: 'shadow',
            device: 'test',
            kind: 'device',
            events: ['map', 'unmap'],
            start: 0n,
            last: 2n ** 64n - 1n,
            notify: ({ type, entry }) => {
              expect(entry.iova % (entry.mask + 1n)).toBe(0n);
              for (let at = 0n; at <= entry.mask; at += PAGE) {
                if (type === 'map') told.set(entry.iova + at, entry.translated + at);
                else told.delete(entry.iova + at);
              }
            },
          });
          region.registerNotifier(notifier);
          return told;
        });
        for (const one of requests) {
          const status = behind.machine.operations.run(() => behind.unit.carryOut(one).status);
          expect([one, status]).toEqual([one, plain.request(one)]);
        }
        for (const [index, number] of ENDPOINTS.entries()) {
          for (let page = 0n; page < 32n; page += 1n) {
            const address = page * PAGE + 0x10n;
            const [read, write] = plain.leads(number, address);
            expect(leads(behind, number, address)).toEqual([read, write]);
            const known = shadows[index]!.get(page * PAGE);
            expect(known === undefined ? null : known + 0x10n).toBe(read ?? write);
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  it('is the same unit after it was saved and restored', () => {
    const one = started();
    const requests: IommuRequest[] = [
      { type: 'attach', domain: 7, endpoint: 0x10, flags: 0 },
      { type: 'map', domain: 7, start: 0x1000n, last: 0x2fffn, physical: 0x10_0000n, flags: 1 },
      { type: 'attach', domain: 9, endpoint: 0x18, flags: 1 },
    ];
    for (const made of requests) one.machine.operations.run(() => one.unit.carryOut(made));
    const other = started();
    other.machine.operations.run(() => other.unit.restore(one.unit.save()));
    expect(other.unit.save()).toEqual(one.unit.save());
    expect(leads(other, 0x10, 0x1010n)).toEqual([0x10_0010n, null]);
    expect(leads(other, 0x18, 0x1010n)).toEqual([0x1010n, 0x1010n]);
  });

  it('has the byte in front of a mapping meet it, as in QEMU', () => {
    const behind = started();
    const { unit } = behind;
    unit.carryOut({ type: 'attach', domain: 1, endpoint: 0x10, flags: 0 });
    unit.carryOut({ type: 'map', domain: 1, start: 0x5000n, last: 0x5fffn, physical: 0x10_5000n, flags: 3 });
    expect(leads(behind, 0x10, 0x4fffn)).toEqual([0x10_4fffn, 0x10_4fffn]);
    expect(leads(behind, 0x10, 0x4ffen)).toEqual([null, null]);
  });

  it('refuses notifiers of device-IOTLB invalidations in QEMU’s words', () => {
    const { region } = spaceOf(started(), 0x10);
    const notifier = new RegionNotifier({
      name: 'vhost',
      device: 'a',
      kind: 'vhost',
      events: ['deviotlb-unmap'],
      start: 0n,
      last: 0xfffn,
      notify: () => {},
    });
    expect(() => region.registerNotifier(notifier)).toThrow('Virtio-iommu does not support dev-iotlb yet');
    expect(region.notifiers).toEqual([]);
  });

  it('tells MSI regions apart from reserved ones, and those of a narrower host', () => {
    const behind = started({ 'reserved-regions': '0x1000:0x1fff:0+0xfee00000:0xfeefffff:1' });
    const { unit } = behind;
    unit.carryOut({ type: 'attach', domain: 1, endpoint: 0x10, flags: 0 });
    unit.carryOut({ type: 'map', domain: 1, start: 0x1000n, last: 0x1fffn, physical: 0x10_0000n, flags: 3 });
    expect(leads(behind, 0x10, 0x1000n)).toEqual([null, null]);
    expect(leads(behind, 0x10, 0xfee0_0000n)).toEqual([0xfee0_0000n, 0xfee0_0000n]);
    const space = spaceOf(behind, 0x10);
    expect(unit.translate(space, { address: 0x1000n, access: 'read' })).toMatchObject({ reason: 'reserved-region' });
  });

  it('keeps an endpoint that a domain refuses detached, and the guest’s bypass over a reset of the device', () => {
    const { unit } = started();
    unit.carryOut({ type: 'attach', domain: 1, endpoint: 0x10, flags: 1 });
    unit.carryOut({ type: 'attach', domain: 2, endpoint: 0x18, flags: 0 });
    expect(unit.carryOut({ type: 'attach', domain: 1, endpoint: 0x18, flags: 0 }).status).toBe(4);
    expect(unit.carryOut({ type: 'detach', domain: 2, endpoint: 0x18 }).status).toBe(4);
    expect(unit.carryOut({ type: 'map', domain: 1, start: 0n, last: 0xfffn, physical: 0n, flags: 3 }).status).toBe(4);
    unit.bypass = true;
    unit.deviceReset();
    expect([unit.bypass, unit.mode]).toEqual([true, 'off']);
    unit.reset();
    expect([unit.bypass, unit.mode]).toEqual([false, 'other']);
  });
});

describe('virtio-iommu-pci', () => {
  const refusal = (values: Record<string, string>, ...more: { values: Record<string, string> }[]): string => {
    try {
      const devices = [{ values: { driver: 'virtio-iommu-pci', ...values } }, ...more];
      createMachine({ type: 'q35', noDefaults: true, devices });
    } catch (error) {
      return String(error);
    }
    return 'taken';
  };

  it.each([
    [{ 'aw-bits': '20' }, 'aw-bits must be within [32,64]'],
    [{ granule: '2k' }, "does not accept value '2k'"],
    [{ 'disable-modern': 'on' }, "'virtio-iommu-pci.disable-modern' cannot be 'on'"],
    [{ 'disable-legacy': 'off' }, "'virtio-iommu-pci.disable-legacy' cannot be 'off'"],
    [{ packed: 'on' }, "'virtio-iommu-pci.packed' cannot be 'on'"],
    [{ 'reserved-regions': '0x2000:0x1000:0' }, 'the last address is below the first'],
    [{ 'reserved-regions': 'nonsense' }, 'expects LOW:HIGH:TYPE'],
    [{ 'primary-bus': 'nowhere' }, "Device 'nowhere' not found"],
    [{ 'primary-bus': 'pcie.0', granule: '64k', 'boot-bypass': 'off' }, 'taken'],
  ])('is made with %o: %s', (values, sentence) => {
    expect(refusal(values)).toContain(sentence);
  });

  it('is the only vIOMMU, on the root bus', () => {
    expect(refusal({}, { values: { driver: 'intel-iommu' } })).toContain('multiple vIOMMUs');
    expect(refusal({}, { values: { driver: 'virtio-iommu-pci' } })).toContain('multiple vIOMMUs');
  });
});
