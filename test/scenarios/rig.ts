import type { CheckName, FaultInjectArguments } from '../../src/generated/types.ts';
import { entryAddress } from '../../clients/demo/guest-tables.ts';
import { VtdRig } from '../e2e/vtd-rig.ts';
import { InProcessDaemon } from '../support/in-process-daemon.ts';

export const REGISTERS = 0xfed9_0000n;
/** The default unit's data pages of the scenarios. */
export const [OLD, NEW] = [0x20_0000n, 0x20_1000n];
/** Top table first. */
const TABLES = [0x11_3000n, 0x11_2000n, 0x11_1000n, 0x11_0000n];
/** What the process tables of {@link Scenario.process} map. */
export const VIRTUAL = 0x7f12_3456_8000n;

/** One device and a guest, over the socket; and which checks have found something. */
export class Scenario extends VtdRig {
  static override async start(...args: readonly string[]): Promise<Scenario> {
    const daemon = await InProcessDaemon.start(args);
    const scenario = new Scenario(daemon, await daemon.client());
    await scenario.write(OLD, 0x01d0_1d01n);
    await scenario.write(NEW, 0x0e0e_0e0en);
    return scenario;
  }

  /** An assigned device `nic0`, more by their ids; each with a host function of its own. */
  async assign(id = 'nic0', host = '0000:3b:00.0', more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    await this.client.execute('device_add', { driver: 'vfio-pci', id, host, ...more });
  }

  /** `nic0` behind a unit that translates by second-stage tables. */
  async translated(): Promise<void> {
    await this.assign();
    await this.client.execute('guest-iommu-enable', { mode: 'legacy' });
  }

  async map(iova: bigint, address: bigint, size: bigint, device = 'nic0'): Promise<void> {
    await this.client.execute('guest-dma-map', { device, iova, address, size });
  }

  async unmap(iova: bigint, size: bigint, device = 'nic0'): Promise<void> {
    await this.client.execute('guest-dma-unmap', { device, iova, size });
  }

  /** The entry that maps an address of `nic0`, and where it lies. */
  async leafOf(address: bigint): Promise<{ address: bigint; raw: bigint }> {
    const { steps = [] } = await this.client.execute('iommu-translate', { device: 'nic0', address, explain: true });
    const leaf = steps.at(-1);
    if (leaf === undefined) throw new Error(`nothing maps ${address}`);
    return { address: leaf.address, raw: leaf.raw[0]! };
  }

  async inject(fault: FaultInjectArguments): Promise<void> {
    await this.client.execute('fault-inject', fault);
  }

  /** A process's page tables that map {@link VIRTUAL}, and the page behind, to the old pages. */
  async process(): Promise<bigint> {
    for (const [index, table] of TABLES.slice(0, 3).entries()) {
      await this.write(entryAddress(table, 4 - index, VIRTUAL), TABLES[index + 1]! | 0x27n);
    }
    await this.point(VIRTUAL, OLD);
    await this.point(VIRTUAL + 0x1000n, OLD);
    return TABLES[0]!;
  }

  /** Points a page of the process somewhere else; no flush follows. */
  async point(virtual: bigint, page: bigint): Promise<void> {
    await this.write(entryAddress(TABLES[3]!, 1, virtual), page | 0x67n);
  }

  /** A PASID table (a directory of VT-d's scalable mode) whose PASID 5, of domain 1, is that process. */
  async pasidTable(table: bigint): Promise<bigint> {
    const [directory, entries] = [0x12_0000n, 0x12_1000n];
    await this.write(directory, entries | 1n);
    await this.write(entries + 5n * 64n, 0x41n, 1n, table);
    return directory;
  }

  /** Where the context entry of a device lies. */
  async contextOf(device: string): Promise<bigint> {
    const { steps = [] } = await this.client.execute('iommu-translate', { device, address: 0n, explain: true });
    const entry = steps.find(({ structure }) => structure === 'context-entry');
    if (entry === undefined) throw new Error(`${device} has no context entry`);
    return entry.address;
  }

  /** `nic0` in the hands of that process, as PASID 5 of domain 1. */
  async bound(more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    await this.assign('nic0', '0000:3b:00.0', more);
    const table = await this.process();
    await this.client.execute('guest-iommu-enable', { mode: 'scalable' });
    await this.client.execute('guest-svm-bind', { device: 'nic0', pasid: 5, 'page-table': table });
  }

  /** What a DMA read got, or why not. */
  async sees(address: bigint, pasid?: number): Promise<string> {
    try {
      return await this.read('nic0', address, pasid);
    } catch (error) {
      return error instanceof Error ? 'fault' : String(error);
    }
  }

  /** How often each check has found something since the start; those that found nothing are left out. */
  async violations(): Promise<Partial<Record<CheckName, number>>> {
    const { checks } = await this.client.execute('query-checks');
    return Object.fromEntries(checks.filter((one) => one.violations > 0).map((one) => [one.name, one.violations]));
  }

  /** The sentences of the events that told of `check` since the last call. */
  sentences(check: CheckName): string[] {
    return this.client.events
      .takeAll()
      .flatMap((event) =>
        event.event === 'MODEL_CHECK_FAILED' && event.data.check === check ? [event.data.desc] : [],
      );
  }
}
