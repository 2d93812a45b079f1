import { expect } from 'vitest';
import { ReverseSearch } from '../../../src/iommu/reverse-search.ts';
import { hasTables, NAIVE_WALKS } from './naive-walks.ts';
import type { Platform } from './platforms.ts';
import { type DeviceName, LARGE, PAGE, TABLES, UnitRig } from './rig.ts';
import { containerOf, merged, Recorder, type Run, runOf } from './runs.ts';

/** What the guest maps and unmaps as a whole, relative to the first address: neighbours, across 2 MiB, large pages. */
export const SLOTS = [
  { offset: 0n, size: PAGE },
  { offset: PAGE, size: PAGE },
  { offset: 2n * PAGE, size: 3n * PAGE },
  { offset: LARGE - 2n * PAGE, size: 4n * PAGE },
  { offset: 2n * LARGE, size: LARGE },
  { offset: 3n * LARGE, size: LARGE },
] as const;
const DATA = 0x200_0000n;
const DATA_SIZE = 3n * LARGE;
const NAMES: readonly DeviceName[] = ['agent0', 'nic0'];
/** `platform.base` + this is never mapped. */
const HOLE = LARGE + 0x10_0000n;
const RAM = 0x400_0000n;

export type Step =
  | { kind: 'map'; device: DeviceName; slot: number; target: number; writable: boolean }
  | { kind: 'unmap'; device: DeviceName; slot: number; flush: boolean }
  | { kind: 'bypass' | 'auto'; device: DeviceName }
  | { kind: 'replay' | 'reset' | 'load' };

interface Mapped {
  readonly address: bigint;
  readonly writable: boolean;
}

/** A guest that does what steps say, and beside it a plain account of what devices must reach. */
export class GuestPlay {
  readonly rig: UnitRig;
  readonly #base: bigint;
  readonly #recorder = new Recorder();
  readonly #mapped = new Map<DeviceName, Map<number, Mapped>>();
  /** Taken out of the tables without an invalidation. */
  readonly #pending = new Map<DeviceName, Set<number>>();
  /** Devices that the guest has mapped something for since the machine's start. */
  readonly #known = new Set<DeviceName>();

  constructor(platform: Platform, properties: string, mode = platform.mode) {
    this.rig = new UnitRig({ ...platform, mode }, properties);
    this.#base = platform.base;
    this.rig.label(DATA, DATA_SIZE);
    this.#start();
    this.#follow();
  }

  play(step: Step): void {
    switch (step.kind) {
      case 'map':
        this.#map(step.device, step.slot, step.target, step.writable);
        break;
      case 'unmap':
        this.#unmap(step.device, step.slot, step.flush);
        break;
      case 'bypass':
      case 'auto':
        this.settle();
        this.rig.must(() => this.rig.unit.setBypass(this.rig.space(step.device), step.kind));
        expect(this.rig.space(step.device).bypass).toBe(step.kind === 'bypass' || !this.#isJudged(step.device));
        break;
      case 'replay':
        this.settle();
        this.rig.must(() => this.#recorder.replay());
        break;
      case 'reset':
        this.#recorder.follow(null);
        this.rig.must(() => this.rig.machine.reset());
        this.#start();
        break;
      case 'load':
        this.settle();
        this.#load();
        break;
    }
    this.#follow();
    if (NAMES.every((name) => this.#pending.get(name)!.size === 0)) this.verify();
  }

  /** Invalidates what was unmapped without: the same addresses are mapped and unmapped once more. */
  settle(): void {
    for (const name of NAMES) {
      for (const slot of [...this.#pending.get(name)!]) {
        this.#map(name, slot, 0, true);
        this.#unmap(name, slot, true);
      }
    }
  }

  verify(): void {
    for (const name of NAMES) this.#verify(name);
    expect(this.#recorder.complaints).toEqual([]);
    expect(this.rig.violations()).toEqual([]);
  }

  #verify(name: DeviceName): void {
    const { rig } = this;
    const space = rig.space(name);
    // Bypassed or not.
    expect(space.addressSpace.iommuObject()).toBe(space.iommuObject);
    if (space.bypass) {
      this.#verifyBypass(name);
      return;
    }
    const expected = this.#expected(name);
    expect(this.#listed(name), 'mappings').toEqual(expected);
    const told = name === 'nic0' ? containerOf(rig, name) : this.#recorder.runs();
    expect(told, `what was told for ${name}`).toEqual(expected);
    for (const [slot, { offset, size }] of SLOTS.entries()) {
      const found = this.#mapped.get(name)!.get(slot);
      for (const at of [0n, size - PAGE]) this.#verifyPage(name, this.#base + offset + at, found, at);
    }
    this.#verifyPage(name, this.#base + HOLE, undefined, 0n);
  }

  #verifyPage(name: DeviceName, iova: bigint, mapped: Mapped | undefined, at: bigint): void {
    const { rig } = this;
    const address = mapped && mapped.address + at;
    if (hasTables(rig)) {
      const way = NAIVE_WALKS[rig.unit.kind]!(rig, name, iova);
      expect(way && [way.address, way.write], 'a naive walk').toEqual(mapped ? [address, mapped.writable] : null);
    }
    const answer = rig.translate(name, iova);
    if (mapped === undefined || address === undefined) {
      expect(answer.result).toBe('fault');
      return;
    }
    if (answer.result === 'fault') throw new Error(`${iova} of ${name}: ${answer.desc}`);
    expect([answer.address, answer.permissions.includes('write')]).toEqual([address, mapped.writable]);
    expect(rig.read(name, iova), 'DMA').toBe(address);
    const search = new ReverseSearch({ address, budget: 20_000, limit: 100 });
    expect(rig.unit.reverse(rig.space(name), search).map((reach) => reach.iova)).toContain(iova);
  }

  #verifyBypass(name: DeviceName): void {
    const { rig } = this;
    const { direct } = rig.platform;
    expect(rig.space(name).forced || !this.#isJudged(name)).toBe(true);
    expect(rig.read(name, direct + DATA)).toBe(DATA);
    expect(rig.translate(name, direct + DATA)).toMatchObject({ source: 'bypass', address: DATA });
    if (name === 'nic0')
      expect(containerOf(rig, name)).toEqual([{ iova: direct, size: RAM, address: 0n, writable: true }]);
  }

  #expected(name: DeviceName): Run[] {
    const runs = [...this.#mapped.get(name)!].map(([slot, mapped]) => ({
      iova: this.#base + SLOTS[slot]!.offset,
      size: SLOTS[slot]!.size,
      ...mapped,
    }));
    return merged(runs);
  }

  /** A unit whose tables know nothing of a device says so. */
  #listed(name: DeviceName): Run[] {
    const { rig } = this;
    let runs: Run[] = [];
    const answer = rig.do(() => (runs = rig.unit.mappings(rig.space(name), { limit: 100 }).mappings.map(runOf)));
    if (answer !== '{}') expect([answer, this.#known.has(name)]).toEqual([expect.stringMatching('no tables'), false]);
    return runs;
  }

  /** AMD's unit knows nothing of a device before the guest has it look at the device's entry. */
  #isJudged(name: DeviceName): boolean {
    return this.rig.unit.kind !== 'amd-iommu' || this.#known.has(name);
  }

  #map(name: DeviceName, slot: number, target: number, writable: boolean): void {
    const mapped = this.#mapped.get(name)!;
    if (mapped.has(slot)) return;
    const { offset, size } = SLOTS[slot]!;
    const address = size === LARGE ? DATA + LARGE * BigInt(target % 2) : DATA + LARGE + PAGE * BigInt(target);
    expect(this.rig.map(name, this.#base + offset, address, size, writable)).toBe('{}');
    mapped.set(slot, { address, writable });
    this.#pending.get(name)!.delete(slot);
    this.#known.add(name);
  }

  #unmap(name: DeviceName, slot: number, flush: boolean): void {
    if (!this.#mapped.get(name)!.delete(slot)) return;
    const { offset, size } = SLOTS[slot]!;
    expect(this.rig.unmap(name, this.#base + offset, size, flush)).toBe('{}');
    if (!flush) this.#pending.get(name)!.add(slot);
  }

  #start(): void {
    this.#known.clear();
    for (const name of NAMES) {
      this.#mapped.set(name, new Map());
      this.#pending.set(name, new Set());
    }
    expect(this.rig.enable()).toBe('{}');
  }

  /** Who shadows a region is registered while the address space shows it. */
  #follow(): void {
    const { bypass, regions } = this.rig.space('agent0');
    this.rig.must(() => this.#recorder.follow(bypass ? null : regions[0]!));
  }

  /** Saves; a reset goes over everything; then all is as it was. */
  #load(): void {
    const { guests, memory } = this.rig.machine;
    const { machine, unit } = this.rig;
    const tables = new Uint8Array(Number(TABLES.size));
    this.rig.must(() => memory.read(TABLES.address, tables));
    const saved = structuredClone({
      devices: machine.devices().map((device) => device.save()),
      unit: unit.save(),
      guests: guests.save(),
      host: machine.host.save(),
      vfio: machine.vfio.save(),
    });
    this.#recorder.follow(null);
    this.rig.must(() => machine.reset());
    this.rig.must(() => {
      memory.write(TABLES.address, tables);
      for (const [index, device] of machine.devices().entries()) device.restore(saved.devices[index]!);
      unit.restore(saved.unit);
      guests.restore(saved.guests);
      machine.host.restore(saved.host);
      machine.vfio.restore(saved.vfio);
      machine.checkLayout('load');
    });
    expect(unit.save()).toEqual(saved.unit);
  }
}
