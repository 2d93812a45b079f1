import { createMachine } from '../../src/machine/create.ts';
import { TraceLog } from '../../src/trace/trace-log.ts';

const PAGES = 1024;
const COUNT = 1_000_000;
const ROUNDS = 7;
const IOVA = 0x4000_0000n;

/** Nanoseconds per call of `body`, the best of some rounds: what disturbs a round only makes it slower. */
function nanoseconds(body: (index: number) => void): number {
  let best = Infinity;
  for (let round = 0; round <= ROUNDS; round++) {
    const begin = process.hrtime.bigint();
    for (let i = 0; i < COUNT; i++) body(i);
    if (round > 0) best = Math.min(best, Number(process.hrtime.bigint() - begin) / COUNT);
  }
  return best;
}

/** `make bench`: an IOTLB hit in the vIOMMU with its trace points off and on, and what a point costs that is off. */
export function benchTracePoints(): void {
  let length = 0;
  const traceLog = new TraceLog((line) => void (length += line.length));
  const machine = createMachine({
    traceLog,
    devices: [
      { values: { driver: 'intel-iommu', id: 'iommu0' } },
      { values: { driver: 'dma-agent', id: 'agent0', bus: 'pcie.0', addr: '3' } },
    ],
  });
  const driver = machine.guests.driverOf(machine.units[0]!);
  const { addressSpace } = machine.findPciDevice('agent0');
  const sourceId = machine.findPciDevice('agent0').requesterId();
  machine.operations.run(() => {
    driver.enable('legacy', { address: 0x100_0000n, size: 0x80_0000n });
    const size = BigInt(PAGES) * 4096n;
    driver.map({ sourceId, iova: IOVA, address: 0x200_0000n, size, permissions: ['read', 'write'] });
  });
  const hit = (i: number): void => void addressSpace.translate(IOVA + BigInt(i % PAGES) * 4096n, 'read');
  const off = nanoseconds(hit);
  const { points } = traceLog;
  let sum = 0;
  const empty = nanoseconds((i) => void (sum += i));
  const looked = nanoseconds((i) => {
    sum += i;
    points.vtd_iotlb_page_hit?.(i, i, i, i);
    points.vtd_dmar_translate?.(i, i, i, i, i, i);
  });
  traceLog.set('vtd_*', true);
  const on = nanoseconds(hit);
  if (length === 0 || sum === 0) throw new Error('the trace points of an IOTLB hit were not reached');
  const cost = Math.max(0, looked - empty);
  console.log(`an IOTLB hit of the vIOMMU (over ${PAGES} pages; best of ${ROUNDS})`);
  const text = (value: number): string => `${value.toFixed(1).padStart(7)} ns`;
  console.log(
    `  its 2 trace points off: ${text(off)}   of which they are ${text(cost)}, ${((100 * cost) / off).toFixed(1)} %`,
  );
  console.log(`  on, lines thrown away:  ${text(on)}`);
}
