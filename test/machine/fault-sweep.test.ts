import { describe, expect, it } from 'vitest';
import type { CommandMap } from '../../src/generated/types.ts';
import type { FaultKind, FaultPoint } from '../../src/trace/fault-points.ts';
import { HandlerRig } from '../support/handlers.ts';

type Contract = 'pasid-table' | 'iommufd';
/** Who binds tables: a client by commands, or the guest by its registers and its queue. */
type Binder = 'command' | 'guest';

const PAGE = 0x1000n;
const directory = 0x10_0000n;
const entries = 0x10_1000n;
const leaf = 0x10_5080n;
const virtual = 0x1_0000n;
const iova = 0x4000_0000n;
const [oldPage, newPage] = [0x20_0000n, 0x20_1000n];
const MILLISECOND = 1_000_000n;

/** What went how: an answer, or the sentence of a refusal. */
type Outcome = [step: string, result: string];

/** A machine and a guest's day on it, whose steps go on whatever becomes of the one before. */
class Day {
  readonly rig = new HandlerRig();
  readonly #contract: Contract;
  readonly #binder: Binder;
  #outcomes: Outcome[] = [];

  constructor(contract: Contract, binder: Binder) {
    this.#contract = contract;
    this.#binder = binder;
    if (contract === 'iommufd') this.rig.run('object-add', { 'qom-type': 'iommufd', id: 'iommufd0' });
    this.rig.run('memory-write', { address: oldPage, data: '0101', encoding: 'hex' });
    this.rig.run('memory-write', { address: newPage, data: '0202', encoding: 'hex' });
  }

  /** From the device's coming to its going. */
  run(): Outcome[] {
    this.#outcomes = [];
    this.#tables();
    if (this.#binder === 'guest') this.#guestProcesses();
    else this.#commands();
    this.#do('device_del', { id: 'nic0' });
    return this.#outcomes;
  }

  /** Shadowed mappings, a reset, two PASIDs, flushes, a page request. */
  #commands(): void {
    this.#plug('nic0', '0000:3b:00.0');
    this.#shadowed();
    this.#do('system_reset', {});
    this.#processes();
    this.#pageRequest();
  }

  /**
   * A process comes, goes and comes back elsewhere, and a reset ends it all. The vIOMMU offers no device-TLB
   * invalidations: a device that keeps translations takes a host that sees to them itself.
   */
  #guestProcesses(): void {
    const device = 'nic0';
    const process = { device, pasid: 3 };
    this.#plug(device, '0000:3b:00.0', { ats: this.#contract === 'iommufd' ? 'on' : 'off' });
    this.#do('guest-iommu-enable', { mode: 'scalable', tables: { address: 0x100_0000n, size: 0x10_0000n } });
    this.#do('guest-svm-bind', { ...process, 'page-table': 0x10_2000n });
    this.#read(device, virtual, 3);
    this.rig.poke(leaf, newPage | 7n);
    this.#do('guest-svm-unbind', process);
    this.#read(device, virtual, 3);
    this.#do('guest-svm-bind', { ...process, 'page-table': 0x10_2000n });
    this.#read(device, virtual, 3);
    this.#do('system_reset', {});
  }

  /** Whatever a fault has left is put away, as an operator would. */
  tidyUp(): void {
    this.rig.run('fault-clear', {});
    const { clock, operations } = this.rig.machine;
    operations.run(() => clock.advanceTo(clock.now + 100n * MILLISECOND));
    for (const id of ['nic0', 'nic1']) this.rig.refusal('device_del', { id });
    this.rig.run('system_reset', {});
  }

  /** What must be as it was at the start: nothing of any device is left on the host. */
  leftovers(): unknown {
    const { machine } = this.rig;
    return {
      containers: machine.describeVfio(),
      tables: machine.host.describe()['page-tables'],
      caches: machine.host.describe().caches.filter(({ entries: count }) => count > 0),
      bindings: machine.units.flatMap((unit) => unit.describe().devices.filter(({ binding }) => binding !== undefined)),
      notifiers: machine.notifiers(),
      timer: machine.clock.nextDeadline(),
    };
  }

  /** Events since the last call that tell of a mistake: violations of checks, and listeners that failed. */
  mistakes(): number {
    const names = new Set(['MODEL_CHECK_FAILED', 'HOST_STALE_TRANSLATION']);
    const failed = (data: object): boolean =>
      'listeners' in data && (data.listeners as { status: string }[]).some(({ status }) => status === 'error');
    return this.rig.takeEvents().filter(({ name, data }) => names.has(name) || failed(data)).length;
  }

  #plug(id: string, host: string, more: Record<string, unknown> = {}): void {
    const iommufd = this.#contract === 'iommufd' ? { iommufd: 'iommufd0' } : {};
    this.#do('device_add', { driver: 'vfio-pci', id, host, ...iommufd, ...more });
  }

  /** PASID 1, domain 5, maps `virtual` to the old page; PASID 2 is not there yet. */
  #tables(): void {
    this.rig.poke(directory, entries | 1n);
    this.rig.poke(entries + 64n, 0x41n, 5n, 0x10_2000n);
    this.rig.poke(entries + 128n, 0n, 0n, 0n);
    for (const table of [0x10_2000n, 0x10_3000n, 0x10_4000n]) this.rig.poke(table, (table + PAGE) | 7n);
    this.rig.poke(leaf, oldPage | 7n, 0n);
  }

  /** By the older path: what the guest's second stage maps is shadowed. */
  #shadowed(): void {
    const tables = { address: 0x100_0000n, size: 0x10_0000n };
    this.#do('guest-iommu-enable', { mode: 'legacy', tables });
    this.#do('guest-dma-map', { device: 'nic0', iova, address: oldPage, size: PAGE });
    this.#read('nic0', iova);
    this.#do('guest-dma-map', { device: 'nic0', iova: iova + PAGE, address: newPage, size: PAGE });
    this.#do('guest-dma-unmap', { device: 'nic0', iova, size: PAGE });
    this.#do('guest-dma-map', { device: 'nic0', iova, address: newPage, size: PAGE });
    this.#read('nic0', iova);
    this.#do('guest-dma-unmap', { device: 'nic0', iova, size: 2n * PAGE });
  }

  #processes(): void {
    this.#do('iommu-bind-pasid-table', { device: 'nic0', address: directory, size: PAGE });
    this.#read('nic0', virtual, 1);
    this.rig.poke(leaf, newPage | 7n);
    this.#do('iommu-flush-iotlb', { device: 'nic0', granularity: 'domain', 'domain-id': 5 });
    this.#read('nic0', virtual, 1);
    this.rig.poke(entries + 128n, 0x41n, 6n, 0x10_2000n);
    this.#do('iommu-flush-pasid-cache', { device: 'nic0', granularity: 'global' });
    this.#read('nic0', virtual, 2);
    this.rig.poke(entries + 128n, 0n, 0n, 0n);
    this.#do('iommu-flush-pasid-cache', { device: 'nic0', granularity: 'pasid', 'domain-id': 6, pasid: 2 });
    this.#do('iommu-flush-iotlb', { device: 'nic0', granularity: 'pasid', 'domain-id': 6, pasid: 2 });
    this.#read('nic0', virtual, 2);
    this.#do('iommu-unbind-pasid-table', { device: 'nic0' });
  }

  /** A second device misses a page, and asks for it; two pages, so that responses can change places. */
  #pageRequest(): void {
    this.#plug('nic1', '0000:3b:00.1', { pri: 'on' });
    this.#do('iommu-bind-pasid-table', { device: 'nic1', address: directory, size: PAGE });
    const device = 'nic1';
    this.#do('dma-read', { device, address: virtual + PAGE, size: 2n, pasid: 1, encoding: 'hex', wait: false });
    this.#do('dma-read', { device, address: virtual + 2n * PAGE, size: 2n, pasid: 1, encoding: 'hex', wait: false });
    this.rig.poke(leaf + 8n, oldPage | 7n, newPage | 7n);
    this.#do('page-response', { device, group: 0, response: 'success' });
    this.#do('page-response', { device, group: 1, response: 'success' });
    for (const event of this.rig.events) {
      if (event.name === 'DMA_COMPLETED') this.#outcomes.push(['completed', event.data.data ?? event.data.status]);
    }
    this.rig.poke(leaf + 8n, 0n, 0n);
    this.#do('iommu-flush-iotlb', { device, granularity: 'global' });
    this.#do('iommu-unbind-pasid-table', { device });
    this.#do('device_del', { id: device });
  }

  #read(device: string, address: bigint, pasid?: number): void {
    const tag = pasid === undefined ? {} : { pasid };
    this.#do('dma-read', { device, address, size: 2n, encoding: 'hex', ...tag });
  }

  #do<Name extends Parameters<HandlerRig['run']>[0]>(
    name: Name,
    args: Parameters<HandlerRig['run']>[1] & CommandMap[Name]['arguments'],
  ): void {
    const outcome = this.rig.attempt(name, args);
    this.#outcomes.push([name, 'refusal' in outcome ? outcome.refusal : answerOf(outcome.value)]);
  }
}

/** What a reply says about what happened: data that was read, or what listeners answered. */
function answerOf(reply: unknown): string {
  const { data, listeners } = reply as { data?: string; listeners?: { status: string }[] };
  return data ?? listeners?.map(({ status }) => status).join() ?? 'done';
}

const KINDS: readonly [FaultPoint, readonly FaultKind[]][] = [
  ['map', ['fail', 'lose']],
  ['unmap', ['fail', 'lose']],
  ['bind', ['fail']],
  ['attach', ['fail']],
  ['detach', ['fail']],
  ['invalidate', ['fail', 'lose', 'delay', 'reorder']],
  ['listener', ['fail', 'lose', 'delay', 'reorder']],
  ['page-response', ['lose', 'delay', 'reorder']],
];
/** Points of which nothing that goes wrong stays unheard: in an answer, an event's listeners, or by a check. */
const answered: ReadonlySet<FaultPoint> = new Set(['map', 'bind', 'attach', 'detach']);
const days: readonly [Contract, Binder][] = [
  ['pasid-table', 'command'],
  ['pasid-table', 'guest'],
  ['iommufd', 'command'],
  ['iommufd', 'guest'],
];

describe.each(days)('a day with contract %s, tables bound by %s', (contract, binder) => {
  it('goes well, and leaves nothing', () => {
    const day = new Day(contract, binder);
    const before = day.leftovers();
    const outcomes = day.run();
    expect(day.mistakes()).toBe(0);
    expect(day.leftovers()).toEqual(before);
    expect(day.run()).toEqual(outcomes);
  });

  const points = KINDS.filter(([point]) => binder === 'command' || point !== 'page-response');

  it.each(points.flatMap(([point, kinds]) => kinds.map((kind) => [point, kind] as const)))(
    'is the same again behind any %s that was told to %s',
    (point, kind) => {
      const day = new Day(contract, binder);
      const before = day.leftovers();
      const usual = day.run();
      day.mistakes();
      let hits = 0;
      let heard = 0;
      for (let after = 0; ; after++) {
        const delay = kind === 'delay' ? { 'delay-ms': 7 } : {};
        day.rig.run('fault-inject', { point, kind, after, ...delay });
        const differs = day.run().join() !== usual.join();
        const hit = day.rig.run('query-faults-injected', {}).faults[0]!.hits;
        if (differs || day.mistakes() > 0) heard += hit;
        day.tidyUp();
        expect(day.leftovers()).toEqual(before);
        day.mistakes();
        expect(day.run()).toEqual(usual);
        expect(day.mistakes()).toBe(0);
        if (hit === 0) break;
        hits += hit;
      }
      // What goes wrong elsewhere may be harmless, but not all of it; a guest's driver flushes more than it must.
      const least = binder === 'command' ? 1 : 0;
      expect(heard).toBeGreaterThanOrEqual(answered.has(point) ? hits : least);
      expect(hits).toBeGreaterThan(0);
    },
    60_000,
  );
});
